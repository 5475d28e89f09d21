"""The same inventory gives the same report from simulated hosts as from the virtual machines of tests/vm.

tests/parity holds the reports and, boot by boot, every device's driver; tests/vm/run.sh holds the machines against the same
files. tests/parity/machines holds what machines gave that somebody had configured, rightly or wrongly (configurations.json);
tests/vm/all.sh holds machines against them.
"""

import json
import os
import sys
import tempfile

from harness import Case, main

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "parity"))
import configurations  # noqa: E402  pylint: disable=wrong-import-position
import parity  # noqa: E402  pylint: disable=wrong-import-position
import simulate  # noqa: E402  pylint: disable=wrong-import-position

NAMES = ("vm1", "vm2")


class Parity(Case):
    def golden(self, name):
        return os.path.join(TESTS, "parity", name)

    def check_drivers(self, fleet, when):
        with open(self.golden(when + ".drivers"), encoding="utf-8") as file:
            expected = file.read()
        for name in NAMES:
            drivers = fleet.drivers(name)
            self.assertEqual("".join(f"{a} {drivers[a]}\n" for a in sorted(drivers) if drivers[a]), expected, name)

    def check_report(self, fleet, when):
        found = parity.difference(self.report(fleet), self.golden(when + ".json"))
        self.assertEqual(found, "", f"the report differs from {when}.json:\n{found}")

    def test_stock_applied_and_back(self):
        with open(os.path.join(TESTS, "vm/fleet.json"), encoding="utf-8") as file:
            inventory = json.load(file)
        fleet = self.fleet([{"name": name, "kind": "vm-bed"} for name in NAMES], inventory)
        self.check_drivers(fleet, "stock")
        self.expect(fleet.run("scan"), 0)
        self.check_report(fleet, "stock")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.check_drivers(fleet, "applied")
        self.check_report(fleet, "applied")
        self.expect(fleet.run("reboot", "--yes"), 0)
        self.check_drivers(fleet, "applied")
        self.expect(fleet.run("rollback", "--yes"), 0)
        self.check_drivers(fleet, "stock")
        self.expect(fleet.run("scan"), 0)
        self.check_report(fleet, "stock")

    def test_configurations(self):
        """Drivers and report of every configuration, as machines had them."""
        with tempfile.TemporaryDirectory(prefix="gpufleet-test-") as directory:
            simulate.simulate(list(configurations.ALL), directory)
            for name in configurations.ALL:
                with self.subTest(name):
                    found = parity.golden_difference(directory, name)
                    self.assertEqual(found, "", f"the simulated host is not what the machine was:\n{found}")

    def test_every_configuration_was_on_a_machine(self):
        self.assertEqual(sorted(os.listdir(parity.GOLDENS)), sorted(configurations.ALL))


if __name__ == "__main__":
    main()
