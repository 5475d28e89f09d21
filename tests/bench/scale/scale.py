#!/usr/bin/env python3
"""What fleets of 50 to 20,000 hosts cost the controller.

    tests/bench/scale/scale.py BUILD_DIR [--quick] [--markdown FILE] [--forks N] [--latency MS]

One simulated host is scanned, applied to and scanned again, and recorded; gpufleet-crowd then answers as it did for each
fleet. gpufleet scans it, takes it to passthrough with a reboot of every host, and reports on it; 20,000 hosts are scanned.
Printed is what each command took, the curve, and whether the targets hold. Ends with 1 where one does not.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[3]
# hosts: what is measured
FLEETS = {50: ("scan", "apply", "report"), 500: ("scan", "apply", "report"), 5000: ("scan", "apply", "report"), 20000: ("scan",)}
QUICK = (50, 500)
SMALL, LARGE = 500, 5000
STALL_MS = 50
RATIO = 1.2
OWN_MB, SESSION_KB = 20, 40
UNAVAILABLE = 20  # percent
BOOT_SECONDS = 2
# Runs argv[2:] and writes what that took to argv[1]. A program's ru_maxrss is never below the resident memory of the process that it was
# started from, and this one's is far above a controller's once it has read a report.
STARTER = """
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
status, usage = os.wait4(pid, 0)[1:]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.write(f"[{usage.ru_utime + usage.ru_stime}, {usage.ru_maxrss}]")
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
INVENTORY = {
    "gpus": [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"}],
    "nova": {"deployment": "none"},
    "rollout": {"waves": [1, "10%", "100%"], "max_unavailable": f"{UNAVAILABLE}%", "max_failures": 0, "boot_timeout": "5m"},
}


def record(build, directory):
    """What a simulated host of a kind says in its life: scanned, applied to, scanned again."""
    sys.argv[1:] = [str(build)]
    sys.path.insert(0, str(SOURCE / "tests/integration"))
    import harness  # pylint: disable=import-outside-toplevel,import-error
    fleet = harness.Fleet([{"name": "gpu01", "kind": "intel-nvidia", "record": True}],
                          {"gpus": INVENTORY["gpus"], "nova": INVENTORY["nova"]}, boot_seconds=0.2,
                          scenario={"agent_bundle": str(build / "gpufleet-agent.tar.gz")})
    try:
        for command in (("scan",), ("apply", "--yes"), ("scan",)):
            result = fleet.run(*command)
            if result.status != 0:
                raise SystemExit(str(result))
        directory.mkdir()
        for path in pathlib.Path(fleet.path("gpu01", "control")).glob("conversation.*"):
            shutil.copy(path, directory)
    finally:
        fleet.close()


class Crowd:
    """A running gpufleet-crowd."""

    def __init__(self, build, directory, recording, hosts, *options):
        self.directory = directory
        directory.mkdir()
        inventory = directory / "more.json"
        inventory.write_text(json.dumps(INVENTORY), encoding="utf-8")
        self.log = open(directory / "log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [build / "gpufleet-crowd", "--dir", directory, "--recording", recording, "--hosts", str(hosts), "--inventory", inventory,
             "--boot-seconds", str(BOOT_SECONDS), *options], stdout=self.log, stderr=self.log)
        end = time.monotonic() + 60
        while not (directory / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit("gpufleet-crowd did not start:\n" + (directory / "log").read_text(encoding="utf-8"))
            time.sleep(0.05)

    def close(self):
        """What was asked of it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()
        return json.loads((self.directory / "counts").read_text(encoding="utf-8"))


class Run:  # pylint: disable=too-few-public-methods
    """One command: what it took, by the kernel's account and by its own."""

    def __init__(self, build, directory, command, hosts, forks):
        args = [build / "gpufleet", command, directory / "inventory.json", "--state", directory / "fleet.db"]
        if command == "report":
            args += ["--format", "json", "--output", directory / "report.json"]
        else:
            # Hosts and controller share this machine: what makes an answer late is not what is measured.
            args += ["--forks", str(forks), "--timeout", "300", "-v"] + (["--yes"] if command == "apply" else [])
        environment = dict(os.environ, HOME=str(directory))
        environment.pop("SSH_AUTH_SOCK", None)
        began = time.monotonic()
        with open(directory / "out", "w+", encoding="utf-8") as out, open(directory / "err", "w+", encoding="utf-8") as err:
            status = subprocess.run([sys.executable, "-ISc", STARTER, directory / "usage", *args], stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=err, env=environment, check=False).returncode
            self.wall = time.monotonic() - began
            out.seek(0)
            text = out.read()
            err.seek(0)
            problems = err.read()
        self.command, self.hosts = command, hosts
        cpu_s, memory_kb = json.loads((directory / "usage").read_text(encoding="utf-8"))
        self.cpu_ms = 1000 * cpu_s / hosts
        self.memory_mb = memory_kb / 1024
        self.stall_ms = self.run_mb = None
        if status != 0:
            raise SystemExit(f"gpufleet {command} ended with {status}:\n{text[-2000:]}{problems[-2000:]}")
        if command == "report":
            totals = json.loads((directory / "report.json").read_text(encoding="utf-8"))["totals"]
            if totals["hosts"] != hosts or totals["ready"] + totals["ignored"] != totals["gpus"]:
                raise SystemExit(f"the report has {totals}")
            return
        own = re.search(r"busy with one thing for at most (\d+) ms .* in (\d+) MB of memory", text)
        done = re.search(rf"{command}: {hosts} hosts: {hosts} done", text)
        if not own or not done:
            raise SystemExit(f"gpufleet {command} did not end as it should:\n{text[-2000:]}")
        self.stall_ms, self.run_mb = int(own[1]), int(own[2])


def fleet_measure(build, base, recording, hosts, options):
    """{command: Run} of a fleet of HOSTS."""
    runs = {}
    directory = base / str(hosts)
    crowd = Crowd(build, directory, recording, hosts, "--latency", str(options.latency))
    try:
        for command in FLEETS[hosts]:
            runs[command] = Run(build, directory, command, hosts, min(options.forks, hosts))
    finally:
        counts = crowd.close()
    most = max(1, hosts * UNAVAILABLE // 100)
    rebooted = hosts if "apply" in runs else 0
    if counts["unknown"] or counts["reboots"] != rebooted or counts["most_down"] > most:
        raise SystemExit(f"{hosts} hosts: {rebooted} reboots, at most {most} at once, were to be seen, and were not: {counts}")
    shutil.rmtree(directory)
    return runs


def lossy_measure(build, base, recording, options):
    """An apply over connections that break: does every host end as it should?"""
    hosts = SMALL
    directory = base / "lossy"
    crowd = Crowd(build, directory, recording, hosts, "--latency", "20", "--loss", "1")
    try:
        run = Run(build, directory, "apply", hosts, min(options.forks, hosts))
    finally:
        counts = crowd.close()
    if counts["reboots"] != hosts or counts["unknown"]:
        raise SystemExit(f"with lost connections: {counts}")
    shutil.rmtree(directory)
    return run, counts


def targets(runs, forks):
    """[(what, seen, holds)]"""
    found = []
    for (hosts, command), run in runs.items():
        if run.stall_ms is not None and hosts >= LARGE:
            found.append((f"longest turn of the loop, {command} of {hosts:,} hosts ≤ {STALL_MS} ms", f"{run.stall_ms} ms",
                          run.stall_ms <= STALL_MS))
        if run.run_mb is not None:
            most = OWN_MB + SESSION_KB * min(forks, hosts) / 1024
            found.append((f"memory, {command} of {hosts:,} hosts ≤ {OWN_MB} MB + {SESSION_KB} kB × {min(forks, hosts)} sessions",
                          f"{run.run_mb} MB of {most:.0f}", run.run_mb <= most))
    for command in ("scan", "apply", "report"):
        if (LARGE, command) in runs:
            ratio = runs[LARGE, command].cpu_ms / runs[SMALL, command].cpu_ms
            found.append((f"CPU for each host, {command} of {LARGE:,} ≤ {RATIO} × {SMALL}", f"{ratio:.2f} ×", ratio <= RATIO))
    return found


def lines(runs, lossy, found, options):
    """The section, in Markdown."""
    yield "## Scale\n"
    yield (f"Simulated hosts that answer after {options.latency:g} ms, {options.forks} connections at most; in an apply every host "
           f"reboots, {UNAVAILABLE}% at once. CPU time and peak memory of the `gpufleet` process by the kernel's account; the loop's longest "
           "turn is its CPU time and the time that it was blocked, without the wait for a processor. Load of the machine at the end, for each of its "
           f"{os.cpu_count()} processors: {os.getloadavg()[0] / os.cpu_count():.1f}.\n")
    yield "| hosts | command | CPU, ms a host | longest turn, ms | memory during the run, MB | in all, MB | wall, s |"
    yield "|---:|---|---:|---:|---:|---:|---:|"
    for (hosts, command), run in runs.items():
        yield (f"| {hosts:,} | `{command}` | {run.cpu_ms:.2f} | {'' if run.stall_ms is None else run.stall_ms} | "
               f"{'' if run.run_mb is None else run.run_mb} | {run.memory_mb:.0f} | {run.wall:.1f} |")
    if lossy:
        run, counts = lossy
        yield (f"\nWith 20 ms latency and one answer in a hundred lost with its connection, an apply of {run.hosts} hosts lost "
               f"{counts['lost']} connections, and every host was done after {run.wall:.0f} s, each with one reboot.")
    yield "\n| target | seen | |"
    yield "|---|---:|---|"
    for what, seen, holds in found:
        yield f"| {what} | {seen} | {'holds' if holds else '**missed**'} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="fleets of 50 and 500 alone")
    parser.add_argument("--markdown", type=pathlib.Path, help="append the section to this file, too")
    parser.add_argument("--forks", type=int, default=500)
    parser.add_argument("--latency", type=float, default=2, help="of a host's answers, in ms")
    options = parser.parse_args()
    build = options.build.resolve()
    base = pathlib.Path(tempfile.mkdtemp(prefix="gpufleet-scale-"))
    runs = {}
    try:
        record(build, base / "recording")
        for hosts in QUICK if options.quick else FLEETS:
            for command, run in fleet_measure(build, base, base / "recording", hosts, options).items():
                runs[hosts, command] = run
                print(f"{hosts:6} {command:7} {run.cpu_ms:6.2f} ms/host  {run.memory_mb:5.0f} MB  {run.wall:6.1f} s", flush=True)
        lossy = None if options.quick else lossy_measure(build, base, base / "recording", options)
        found = targets(runs, options.forks)
        section = "\n".join(lines(runs, lossy, found, options)) + "\n"
        print("\n" + section, end="")
        if options.markdown:
            with contextlib.closing(open(options.markdown, "a", encoding="utf-8")) as file:
                file.write("\n" + section)
        return 0 if all(holds for _, _, holds in found) else 1
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
