#!/usr/bin/env python3
"""What each form of the report costs for a large fleet: CPU time and memory of the real command.

    tests/bench/report/report_speed.py BUILD_DIR [--hosts N] [--rounds N] [--keep DIR] [FORM...]

A simulated host with eight GPUs and Nova is scanned, applied to and scanned again. Its facts and its journal are then
written into a store under N names: most hosts ready, some pending, some with guests, some blocked, each with a boot, serial
numbers, processes and a time of its own. Each form is made from that store; the median of the rounds is printed, and whether
it holds the target. Ends with 1 where one does not.
"""

import argparse
import contextlib
import copy
import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import uuid

SOURCE = pathlib.Path(__file__).resolve().parents[3]
FORMS = ("text", "json", "csv", "prometheus", "ansible-inventory", "html", "openstack", "libvirt")
TARGET = 2.0  # seconds of CPU
DOMAIN = 50   # hosts in a failure domain
MIX = ("ready",) * 7 + ("pending", "in_use", "blocked")  # of ten hosts
FLEET = {
    "gpus": [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"}],
    "nova": {"release": "zed"},
    "flavors": [{"name": f"gpu.{count}", "vcpus": 4 * count, "ram": 16384 * count, "disk": 50, "gpus": {"nvidia1080": count}}
                for count in (1, 2, 4, 8)],
}


def stored(fleet, unpacked):
    """What the store has of the one host: its facts, and its rows of the journal."""
    with contextlib.closing(sqlite3.connect(fleet.store)) as store:
        return (json.loads(unpacked(store.execute("SELECT body FROM facts WHERE host = 'gpu01'").fetchone()[0])),
                store.execute("SELECT run, time, event FROM events WHERE host = 'gpu01' ORDER BY seq").fetchall())


def samples(build):
    """({verdict: facts}, schema of the store, rows of the journal, what packs facts) of a host that the real agent looked at."""
    sys.argv[1:] = [build]
    sys.path.insert(0, str(SOURCE / "tests/integration"))
    import harness  # pylint: disable=import-outside-toplevel,import-error
    fleet = harness.Fleet([{"name": "gpu01", "kind": "intel-eight"}], dict(FLEET), boot_seconds=0.2)
    try:
        facts = {}
        for verdict, commands in (("pending", [("scan",)]), ("ready", [("apply", "--yes"), ("scan",)])):
            for command in commands:
                result = fleet.run(*command)
                if result.status != 0:
                    raise SystemExit(str(result))
            facts[verdict], journal = stored(fleet, harness.unpacked)
        with contextlib.closing(sqlite3.connect(fleet.store)) as store:
            schema = [row[0] for row in store.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE 'sqlite_%'")]
            version = store.execute("PRAGMA user_version").fetchone()[0]
    finally:
        fleet.close()
    cards = [device["address"] for device in facts["ready"]["pci"] if device["driver"] == "vfio-pci"]
    facts["in_use"] = copy.deepcopy(facts["ready"])
    facts["in_use"]["host"]["guests"] = [
        {"pid": 1000 + i, "name": f"instance-{i:08x}", "source": "qemu", "devices": [address]} for i, address in enumerate(cards)]
    facts["blocked"] = copy.deepcopy(facts["ready"])
    facts["blocked"]["host"]["iommu"]["interrupt_remapping"] = False
    return facts, schema + [f"PRAGMA user_version = {version}"], journal, harness.packed


def vary(facts, number, name):
    """What differs between two hosts of one make."""
    host, nova = facts["host"], facts.get("nova") or {"services": []}
    host["hostname"], host["boot_id"] = name, str(uuid.UUID(int=number + (1 << 100), version=4))
    facts["observed"] = (datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=number)).isoformat() + "Z"
    for service in nova["services"]:
        service["pid"], service["started"] = 1000 + number, 1767139200.25 + number
    for device in facts["pci"]:
        if device["serial"]:
            device["serial"] = f"00-25-38-{number >> 16 & 255:02x}-{number >> 8 & 255:02x}-{number & 255:02x}-04-32"
    for index, guest in enumerate(host["guests"]):
        guest["pid"], guest["name"] = 2000 + 10 * number + index, f"instance-{8 * number + index:08x}"


def make_fleet(directory, build, hosts):
    facts, schema, journal, packed = samples(build)
    width = len(str(hosts))
    names = [f"gpu{number:0{width}d}" for number in range(1, hosts + 1)]
    groups = {f"rack{first // DOMAIN + 1}": {
        "role": "compute", "domain": f"rack{first // DOMAIN + 1}",
        "hosts": [f"gpu[{first + 1:0{width}d}-{min(first + DOMAIN, hosts):0{width}d}]"]} for first in range(0, hosts, DOMAIN)}
    inventory = directory / "fleet.json"
    inventory.write_text(json.dumps({"version": 1, "fleet": "bench", **FLEET, "groups": groups}))
    with contextlib.closing(sqlite3.connect(directory / "fleet.db")) as store:
        for statement in schema:
            store.execute(statement)
        for number, name in enumerate(names):
            document = facts[MIX[number % len(MIX)]]
            vary(document, number, name)
            store.execute("INSERT INTO facts (host, time, body) VALUES (?, ?, ?)",
                          (name, document["observed"], packed(json.dumps(document, separators=(",", ":")))))
        for run, time, event in journal:
            store.executemany("INSERT INTO events (run, host, time, event) VALUES (?, ?, ?, ?)",
                              ((run, name, time, event) for name in names))
        store.commit()
    return inventory, len(json.dumps(facts["ready"], separators=(",", ":"))), len(journal)


def measure(command, out):
    """(CPU seconds, peak MiB) of COMMAND, whose output goes to the file OUT; None: it has no such form."""
    with open(out, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if "is not a format" in said:
        return None
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("forms", nargs="*")
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", metavar="DIR", help="make the fleet there, or take the one that is there")
    options = parser.parse_intermixed_args()
    program = os.path.join(os.path.abspath(options.build), "gpufleet")
    directory = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="gpufleet-bench-"))
    try:
        directory.mkdir(exist_ok=True)
        inventory = directory / "fleet.json"
        if not inventory.exists():
            inventory, size, events = make_fleet(directory, options.build, options.hosts)
            print(f"{options.hosts} hosts with 8 GPUs, {size} bytes of facts and {events} events of the journal each")
        base = [program, "report", str(inventory), "--state", str(directory / "fleet.db"), "--no-color"]
        late = 0
        print(f"{'form':<18} {'CPU s':>6} {'peak MiB':>9} {'output MiB':>11}  target {TARGET:.0f} s of CPU")
        for form in options.forms or FORMS:
            command = base + ["--format", form] + (["--limit", "@rack1"] if form == "libvirt" else [])
            runs = [measure(command, directory / "out") for _ in range(options.rounds)]
            if None in runs:
                print(f"{form:<18} {'(absent)':>6}")
                continue
            cpu, memory = (statistics.median(values) for values in zip(*runs))
            late += cpu > TARGET
            print(f"{form:<18} {cpu:6.2f} {memory:9.0f} {(directory / 'out').stat().st_size / 2**20:11.1f}  "
                  f"{'held' if cpu <= TARGET else 'MISSED'}", flush=True)
        return 1 if late else 0
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
