"""Hosts that a run on the whole fleet leaves alone, as it would cut itself off."""

from harness import Case, main

PAIR = [{"name": "gpu", "count": 2, "kind": "intel-nvidia"}]


class Guards(Case):
    def own(self, fleet, host):
        """Lets the host show the boot of the machine that this runs on; until it boots."""
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot_id = file.read()
        with open(fleet.path(host, "root/proc/sys/kernel/random/boot_id"), "w", encoding="ascii") as file:
            file.write(boot_id)

    def test_own_machine(self):
        fleet = self.fleet(PAIR)
        self.own(fleet, "gpu01")
        before = fleet.tree("gpu01", "etc", "boot")
        self.expect(fleet.run("scan"), 0)
        for args in (("plan",), ("apply", "--yes"), ("reboot", "--yes"), ("rollback", "--yes")):
            result = self.expect(fleet.run(*args), 2)
            told = " ".join(result.out.split())
            self.assertIn("blocked (1): gpu01", told)
            self.assertIn("it is the machine that gpufleet runs on", told)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 4})
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu01"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_way_to_others(self):
        """gpu02 can't be reached over a simulated host; gpu01 is its way all the same."""
        fleet = self.fleet(PAIR, {"hosts": {"gpu02": {"jump": "gpu01"}}})
        result = fleet.run("apply", "--yes")
        self.assertIn("it is the way (jump) to gpu02, and is left alone", " ".join(result.out.split()), str(result))
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu01"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)


if __name__ == "__main__":
    main()
