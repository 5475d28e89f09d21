"""One rollout over a fleet of its own whose controller is killed again and again, and what came of it.

A kill is written as "b17" (before the process's 17th journal commit is written), "a17" (after it, before the controller knows) or
"1.234" (that many seconds after the process began). The first of a rollout's kills is for the first process, the next for the one
that goes on, and so on; the last process ends by itself. A process that ends before its kill ends the rollout.
"""

import collections
import contextlib
import itertools
import json
import os
import re
import shutil
import sqlite3
import struct
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import BUILD, Fleet  # noqa: E402 # the tests' own folder

HOSTS = 50
DOMAINS = 4
LIMITS = {"waves": [1, "10%", "100%"], "max_unavailable": 5, "per_domain": 2, "max_failures": 0, "boot_timeout": "5m"}
SYNC_MS = 20  # a disk's; in memory a sync takes no time, and hundreds of commits would be those of one event
DEADLINE = 300
# What is done once to a host, whatever befell the controller: the reboot, and the commit's work.
ONCE = ("update-initramfs", "update-grub", "reboot")


class Outcome:
    """What is compared: hosts, report, exit status; and beside it the commits, the duration, and what was wrong in itself."""

    def __init__(self):
        self.status = self.report = None
        self.hosts = {}
        self.struck = []  # the kills that met their process alive
        self.commits = self.seconds = 0  # of the last process
        self.down = collections.Counter()  # most at once: of all, and of each domain
        self.again = 0  # trials that were staged anew before they had been booted
        self.faults = []

    def differences(self, golden):
        """Lines; none: the same."""
        found = list(self.faults)
        if self.status != golden.status:
            found.append(f"exit status {self.status}, not {golden.status}")
        for name, host in golden.hosts.items():
            found += [f"{name}: {what} is {self.hosts[name].get(what)}, not {host.get(what)}"
                      for what in sorted(set(host) | set(self.hosts[name])) if host.get(what) != self.hosts[name].get(what)]
        found += different("report", self.report, golden.report)
        return found


def times_taken_out(value):
    if isinstance(value, dict):
        return {key: times_taken_out(item) for key, item in value.items()}
    if isinstance(value, list):
        return [times_taken_out(item) for item in value]
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "…", value) if isinstance(value, str) else value


def different(where, mine, other):
    if isinstance(mine, dict) and isinstance(other, dict):
        return [line for key in sorted(set(mine) | set(other)) for line in different(f"{where}.{key}", mine.get(key), other.get(key))]
    if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        return [line for i, pair in enumerate(zip(mine, other)) for line in different(f"{where}[{i}]", *pair)]
    return [] if mine == other else [f"{where} is {mine}, not {other}"]


def fleet_start(changed, hosts=HOSTS):
    """HOSTS hosts in DOMAINS domains: CHANGED of them have GPUs to be taken to vfio-pci, two can't be, the others have none."""
    def members(first, count):
        return ["gpu%02d" % i for i in range(first, first + count)]
    rest = hosts - changed - 2
    names = members(1, hosts)
    # Neighbours share a domain, so that the order in which hosts are taken runs into per_domain again and again.
    names_of = [[name for j, name in enumerate(names) if j // 4 % DOMAINS == i] for i in range(DOMAINS)]
    groups = {f"rack{i + 1}": {"role": "compute", "domain": f"rack{i + 1}", "hosts": names_of[i]}
              for i in range(DOMAINS) if names_of[i]}
    scenario = [{"name": "gpu", "first": 1, "count": changed, "kind": "intel-nvidia"},
                {"name": "gpu", "first": changed + 1, "count": 2, "kind": "no-iommu"}]
    if rest:
        scenario.append({"name": "gpu", "first": changed + 3, "count": rest, "kind": "control"})
    fleet = Fleet(scenario, {"groups": groups, "rollout": LIMITS, "nova": {"deployment": "none"}}, boot_seconds=0.3,
                  scenario={"shutdown_seconds": 1, "agent_bundle": os.path.join(BUILD, "gpufleet-agent.tar.gz")})
    fleet.domains = {name: domain for domain, group in groups.items() for name in group["hosts"]}
    return fleet


def process_start(fleet, kill, output):
    environment = dict(os.environ, HOME=fleet.directory, LD_PRELOAD=os.path.join(BUILD, "kill_at_sync.so"),
                       GPUFLEET_KILL_COUNT=os.path.join(fleet.directory, "commits"), GPUFLEET_KILL_SYNC_MS=str(SYNC_MS))
    # A sanitizer's runtime wants to be the first one; ours takes nothing of what it wraps.
    environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    environment.pop("SSH_AUTH_SOCK", None)
    if kill and kill[0] in "ab":
        environment.update(GPUFLEET_KILL_AT=kill[1:], GPUFLEET_KILL_SIDE={"a": "after", "b": "before"}[kill[0]])
    return subprocess.Popen(fleet.command(["apply", "--yes"]), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)


def process_end(process, kill):
    """Waits for it, kills it at its instant; was it killed?"""
    try:
        process.wait(DEADLINE if not kill or kill[0] in "ab" else float(kill))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return process.returncode < 0


def rollout(kills, changed, hosts=HOSTS, judge=None):
    """KILLS is asked for the next one when a process was killed. JUDGE is called with fleet and outcome at the end."""
    outcome = Outcome()
    fleet = fleet_start(changed, hosts)
    try:
        for kill in itertools.chain(kills, [None]):
            began = time.monotonic()
            with open(os.path.join(fleet.directory, "output"), "ab") as output:
                output.write(f"==== to be killed at {kill}\n".encode())
                output.flush()
                process = process_start(fleet, kill, output)
                killed = process_end(process, kill)
            outcome.seconds = time.monotonic() - began
            if not killed:
                break
            if not kill or process.returncode != -signal.SIGKILL:
                outcome.faults.append(f"the process died of signal {-process.returncode} (after {DEADLINE} s it is killed)")
                break
            outcome.struck.append(kill)
        outcome.status = process.returncode
        try:
            with open(os.path.join(fleet.directory, "commits"), "rb") as file:
                outcome.commits, = struct.unpack("Q", file.read())
        except FileNotFoundError:
            with open(os.path.join(fleet.directory, "output"), encoding="utf-8") as file:
                raise RuntimeError("gpufleet did not come as far as to its journal:\n" + file.read()) from None
        observe(fleet, outcome)
        if judge:
            judge(fleet, outcome)
    finally:
        fleet.close()
    return outcome


def observe(fleet, outcome):
    for name in fleet.names:
        host = {f"file {path}": value for path, value in fleet.tree(name, "etc", "boot").items()}
        host["drivers"] = fleet.drivers(name)
        with open(fleet.path(name, "root/proc/cmdline"), encoding="utf-8") as file:
            host["command line"] = re.sub(r"gpufleet\.op=\S+", "gpufleet.op=…", file.read().strip())
        for unit in sorted(os.listdir(fleet.path(name, "control/units"))):
            with open(fleet.path(name, "control/units", unit), encoding="utf-8") as file:
                host[f"unit {unit}"] = file.read().strip()
        host["boots"] = fleet.boots(name)
        programs = collections.Counter(fleet.programs(name))
        host["programs"] = {program: programs[program] for program in ONCE}
        outcome.hosts[name] = host
    result = fleet.run("report", "--format", "json")
    report = json.loads(result.out) if result.status == 0 else {"exit status": result.status, "error": result.err}
    outcome.report = times_taken_out(report)
    observe_journal(fleet, outcome)
    observe_down(fleet, outcome)


def observe_journal(fleet, outcome):
    """What the journal says was done is what the hosts saw: no reboot and no operation twice, and none that it does not know of."""
    with contextlib.closing(sqlite3.connect(fleet.store)) as store:
        events = [(host, json.loads(event)) for host, event in store.execute("select host, event from events order by seq")]
    for name in fleet.names:
        mine = [event for host, event in events if host == name]
        done = sum(event["type"] == "reboot.done" for event in mine)
        staged = {event["operation"] for event in mine if event["type"] == "stage.result" and event["trial"]}
        programs = collections.Counter(fleet.programs(name))
        if not programs["reboot"] == done == fleet.boots(name) - 1:
            outcome.faults.append(f"{name}: {done} reboots in the journal, {programs['reboot']} asked for, {fleet.boots(name) - 1} seen")
        # A trial that is staged and was not booted yet is staged anew by the run that goes on, as an operation of its own.
        outcome.again += max(0, len(staged) - 1)
        if programs["grub-reboot"] != len(staged):
            outcome.faults.append(f"{name}: {len(staged)} trials staged in the journal, {programs['grub-reboot']} on the host")


def observe_down(fleet, outcome):
    """How many were down at once, by the simulator's own log; and whether the same host went down twice without coming up."""
    down = set()
    path = os.path.join(fleet.state, "power.log")
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as file:
        for line in file:
            at, name, what = line.split()
            if what == "up":
                down.remove(name)
                continue
            down.add(name)
            domain = fleet.domains[name]
            for who, count, limit in (("all", len(down), LIMITS["max_unavailable"]),
                                      (domain, sum(fleet.domains[other] == domain for other in down), LIMITS["per_domain"])):
                outcome.down[who] = max(outcome.down[who], count)
                if count > limit:
                    outcome.faults.append(f"at {at}: {count} hosts down at once of {who}, {limit} allowed: {' '.join(sorted(down))}")
    if down:
        outcome.faults.append(f"down at the end: {' '.join(sorted(down))}")


def evidence_keep(fleet, directory):
    os.makedirs(directory, exist_ok=True)
    for source in (os.path.join(fleet.directory, "output"), fleet.log.name, os.path.join(fleet.state, "power.log"),
                   fleet.store, fleet.store + "-wal"):
        if os.path.exists(source):
            shutil.copy(source, directory)
