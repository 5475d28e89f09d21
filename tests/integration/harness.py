"""What the integration tests share: a simulated fleet of its own for each test, and the gpufleet command.

A test file is run as `python3 test_NAME.py BUILD_DIR`. Every test starts its own simulator on free ports with its state in a
temporary directory, and leaves nothing behind.
"""

import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/debug")
GPUFLEET = os.path.join(BUILD, "gpufleet")
SIM = os.path.join(BUILD, "gpufleet-sim")
SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
with open(os.path.join(SOURCE, "controller/report/report.schema.json"), encoding="utf-8") as schema:
    REPORT_SCHEMA = json.load(schema)


ZSTD = ctypes.CDLL("libzstd.so.1")  # the library that gpufleet itself needs
ZSTD.ZSTD_compressBound.restype = ZSTD.ZSTD_compress.restype = ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
ZSTD.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
ZSTD.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
ZSTD.ZSTD_getFrameContentSize.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def packed(text):
    """TEXT as the store keeps the newest facts."""
    data = text.encode()
    room = ctypes.create_string_buffer(ZSTD.ZSTD_compressBound(len(data)))
    length = ZSTD.ZSTD_compress(room, len(room), data, len(data), 3)
    return room.raw[:length]


def unpacked(data):
    """The text that the store has packed as DATA."""
    room = ctypes.create_string_buffer(ZSTD.ZSTD_getFrameContentSize(data, len(data)))
    assert ZSTD.ZSTD_decompress(room, len(room), data, len(data)) == len(room)
    return room.raw.decode()


def closed(schema):
    """The same schema without room for names that it does not have: what is written must be published."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: closed(value) for key, value in schema.items()}
    if copy.get("type") == "object" and "properties" in copy:
        copy.setdefault("additionalProperties", False)
    return copy


NVIDIA = [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"}]
CARDS = {"0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:02:00.1"}


def temporary_directory():
    """In memory where programs may run from there: the hosts' files are many and small."""
    for place in ("/dev/shm", None):
        try:
            path = tempfile.mkdtemp(prefix="gpufleet-test-", dir=place)
        except OSError:
            continue
        probe = os.path.join(path, "probe")
        with open(probe, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n")
        os.chmod(probe, 0o755)
        try:
            subprocess.run([probe], check=True)
            return path
        except OSError:
            shutil.rmtree(path)
    raise RuntimeError("no temporary directory that may run programs")


class Result:
    def __init__(self, args, status, out, err, log=os.devnull):
        self.args, self.status, self.out, self.err = args, status, out, err
        with open(log, encoding="utf-8", errors="replace") as file:
            self.simulator = file.readlines()[-12:]

    def __str__(self):
        """Without the plan's diffs."""
        out = "\n".join(line for line in self.out.splitlines() if not line.startswith("      "))
        return f"$ gpufleet {' '.join(self.args)}\n-> {self.status}\n--- stdout\n{out}\n--- stderr\n{self.err}" + \
            f"\n--- the simulator\n{''.join(self.simulator)}"

    def events(self):
        """The objects of a --json run; a line that isn't one fails the test."""
        return [json.loads(line) for line in self.out.splitlines() if line]


class Fleet:
    """A running simulator. HOSTS: the scenario's host list; INVENTORY and SCENARIO: keys over the plain ones."""

    def __init__(self, hosts, inventory=None, boot_seconds=0.5, scenario=None):
        self.directory = temporary_directory()
        self.state = os.path.join(self.directory, "state")
        names = []
        for host in hosts:
            if "count" in host:
                digits = host.get("digits", 2)
                first = host.get("first", 1)
                names += ["%s%0*d" % (host["name"], digits, first + i) for i in range(host["count"])]
            else:
                names.append(host["name"])
        self.names = names
        self.program = GPUFLEET
        base = {"version": 1, "fleet": "test", "groups": {"computes": {"role": "compute", "hosts": names}},
                "gpus": NVIDIA, "rollout": {"waves": ["100%"], "max_unavailable": 8, "max_failures": 0, "boot_timeout": "5m"}}
        base.update(inventory or {})
        scenario = {"boot_seconds": boot_seconds, "shutdown_seconds": 0.2, **(scenario or {}), "hosts": hosts, "inventory": base}
        path = os.path.join(self.directory, "scenario.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(scenario, file)
        self.log = open(os.path.join(self.directory, "sim.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen([SIM, "--dir", self.state, path], stdout=self.log, stderr=self.log)
        try:
            self.wait(lambda: os.path.exists(os.path.join(self.state, "ready")), 120, "the simulator to start")
        except BaseException:
            self.close()
            raise
        self.inventory = os.path.join(self.state, "inventory.json")
        self.store = os.path.join(self.directory, "fleet.db")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                with open(self.log.name, encoding="utf-8") as file:
                    raise AssertionError("the simulator ended:\n" + file.read())
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s for {what}")
            time.sleep(0.02)

    def command(self, args):
        return [self.program, args[0], self.inventory, "--state", self.store, *args[1:]]

    def start(self, *args, **options):
        """The command, running."""
        environment = dict(os.environ, HOME=self.directory, XDG_STATE_HOME=os.path.join(self.directory, "xdg"))
        environment.pop("SSH_AUTH_SOCK", None)
        return subprocess.Popen(self.command(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=environment, **options)

    def run(self, *args, timeout=150):
        process = self.start(*args)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(str(Result(args, "timed out", out, err, self.log.name))) from None
        return Result(args, process.returncode, out, err, self.log.name)

    def inventory_change(self, change):
        with open(self.inventory, encoding="utf-8") as file:
            inventory = json.load(file)
        change(inventory)
        with open(self.inventory, "w", encoding="utf-8") as file:
            json.dump(inventory, file, indent=1)

    # The hosts, seen from outside gpufleet.

    def path(self, host, *parts):
        return os.path.join(self.state, "hosts", host, *parts)

    def boots(self, host=None):
        if host is None:
            return {name: self.boots(name) for name in self.names}
        with open(self.path(host, "control", "boots"), encoding="utf-8") as file:
            return int(file.read())

    def drivers(self, host):
        base = self.path(host, "root", "sys/bus/pci/devices")
        links = {address: os.path.join(base, address, "driver") for address in os.listdir(base)}
        return {address: os.path.basename(os.readlink(link)) if os.path.islink(link) else None
                for address, link in links.items()}

    def on_vfio(self, host):
        return {address for address, driver in self.drivers(host).items() if driver == "vfio-pci"}

    def fault(self, host, name, text=""):
        with open(self.path(host, "control/fault", name), "w", encoding="utf-8") as file:
            file.write(text)

    def remove(self, host, path):
        os.remove(self.path(host, "root", path))

    def request(self, host, name):
        """reboot, crash, power (off and on, of a hung host, too) or cut"""
        with open(self.path(host, "control", name), "w", encoding="utf-8"):
            pass

    def programs(self, host):
        try:
            with open(self.path(host, "control/programs.log"), encoding="utf-8") as file:
                return file.read().split()
        except FileNotFoundError:
            return []

    def tree(self, host, *parts):
        """{path: (mode, content)} of what lies below these directories of the host."""
        root, result = self.path(host, "root"), {}
        for part in parts:
            for directory, folders, files in os.walk(os.path.join(root, part)):
                for name in folders + files:
                    path = os.path.join(directory, name)
                    mode = os.lstat(path).st_mode
                    if os.path.islink(path):
                        content = os.readlink(path)
                    elif name in folders:
                        content = "directory"
                    else:
                        with open(path, "rb") as file:
                            content = hashlib.sha256(file.read()).hexdigest()
                    result[os.path.relpath(path, root)] = (oct(mode), content)
        return result


class Case(unittest.TestCase):
    maxDiff = None

    def fleet(self, *args, **options):
        fleet = Fleet(*args, **options)
        self.addCleanup(fleet.close)
        return fleet

    def expect(self, result, status):
        self.assertEqual(result.status, status, str(result))
        return result

    def report(self, fleet, *args):
        """The JSON report, which must have the published shape and add up."""
        report = json.loads(self.expect(fleet.run("report", "--format", "json", *args), 0).out)
        for error in jsonschema.Draft202012Validator(closed(REPORT_SCHEMA)).iter_errors(report):
            self.fail(f"{error.json_path}: {error.message}")
        cards = [device for host in report["hosts"] for device in host["devices"] if device["primary"]]
        counted = {key: sum(card["verdict"] == key for card in cards) for key in report["totals"]}
        self.assertEqual(report["totals"], dict(counted, hosts=len(report["hosts"]), gpus=len(cards)))
        for alias in report["capacity"]["aliases"]:
            mine = [card["verdict"] for card in cards if card["alias"] == alias["alias"]]
            verdicts = ("ready", "in_use", "pending", "blocked", "unknown")
            self.assertEqual({key: alias[key] for key in ("total", *verdicts)},
                             {"total": len(mine), **{key: mine.count(key) for key in verdicts}})
            for places in (alias["domains"], alias["numa_nodes"]):
                self.assertEqual(sum(place["total"] for place in places), len(mine))
        for host in report["hosts"]:
            for device in host["devices"]:
                failed = {check["id"] for check in host["checks"] if check["device"] in (None, device["address"])}
                self.assertLessEqual(set(device["reasons"]), failed, "a reason that no check stands behind")
        return report


def main():
    if not os.path.exists(SIM):
        print(f"{SIM} isn't built")
        sys.exit(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
