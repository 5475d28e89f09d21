#!/usr/bin/env python3
"""Takes configurations of configurations.json through the simulator, and writes what was observed as parity.py reads it.

    simulate.py BUILD_DIR DIRECTORY [NAME…]
"""

import concurrent.futures
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../integration")]
import configurations  # noqa: E402  pylint: disable=wrong-import-position
import harness  # noqa: E402  pylint: disable=wrong-import-position


class Simulated:
    """One configuration's host in the fleet, with an inventory and a store of its own."""

    def __init__(self, fleet, name, directory):
        self.fleet, self.name, self.directory = fleet, name, directory
        self.inventory = os.path.join(fleet.directory, name + ".json")
        self.configuration = configurations.ALL[name]

    def write(self, suffix, text):
        with open(os.path.join(self.directory, f"{self.name}.{suffix}"), "w", encoding="utf-8") as file:
            file.write(text)

    def gpufleet(self, command, *args):
        store = os.path.join(self.fleet.directory, self.name + ".db")
        return subprocess.run([self.fleet.program, command, self.inventory, "--state", store, *args], check=False, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300)

    def expect(self, command, *args):
        result = self.gpufleet(command, *args)
        if result.returncode:
            raise RuntimeError(f"{self.name}: gpufleet {command} exits {result.returncode}:\n{result.stdout}{result.stderr}")
        return result.stdout

    def plant(self):
        """The files, the tools that were run, and the boot that follows."""
        root = self.fleet.path(self.name, "root")
        configurations.plant(self.configuration, root)
        for tool in self.configuration["then"]:
            arguments = ["-u"] if tool == "update-initramfs" else []
            subprocess.run([os.path.join(root, "usr/sbin", tool), *arguments], check=True, capture_output=True,
                           env={"GPUFLEET_SYSROOT": root, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        self.fleet.request(self.name, "reboot")
        self.fleet.wait(lambda: self.fleet.boots(self.name) == 2, 120, f"{self.name} to boot")

    def inventory_write(self):
        """The machines' inventory, with this host's address and login."""
        with open(self.fleet.inventory, encoding="utf-8") as file:
            simulated = json.load(file)
        inventory = configurations.inventory(self.name)
        inventory["defaults"] = simulated["defaults"]
        inventory["hosts"] = {self.name: simulated["hosts"][self.name]}
        with open(self.inventory, "w", encoding="utf-8") as file:
            json.dump(inventory, file)

    def look(self, when):
        drivers = self.fleet.drivers(self.name)
        self.write(when + ".drivers", "".join(f"{at} {drivers[at]}\n" for at in sorted(drivers) if drivers[at]))
        self.expect("scan")
        self.write(when + ".json", self.expect("report", "--format", "json"))

    def run(self):
        self.plant()
        self.inventory_write()
        self.look("booted")
        if self.configuration.get("apply"):
            result = self.gpufleet("apply", "--yes")
            self.write("apply", f"{result.returncode}\n")
            self.write("apply.out", result.stdout + result.stderr)
            self.look("applied")


def simulate(names, directory):
    """Leaves the observations of all of them in the directory."""
    fleet = harness.Fleet([{"name": name, "kind": "vm-bed"} for name in names], boot_seconds=0.1)
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda name: Simulated(fleet, name, directory).run(), names):
                pass
    finally:
        fleet.close()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    simulate(sys.argv[3:] or list(configurations.ALL), sys.argv[2])


if __name__ == "__main__":
    main()
