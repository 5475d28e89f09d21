"""Stock hosts to vfio-pci and back: plan, apply, apply again, verify, rollback."""

from harness import CARDS, Case, main

STOCK = {"name": "gpu01", "kind": "intel-nvidia"}
RADEON = {"name": "gpu02", "kind": "amd-radeon"}
GPUS = [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "functions": "all"},
        {"alias": "rx5700", "vendor": "1002", "device": "731f", "functions": "all"}]


class MainPath(Case):
    def test_there_and_back(self):
        fleet = self.fleet([STOCK, RADEON], {"gpus": GPUS})
        etc = {name: fleet.tree(name, "etc", "boot") for name in fleet.names}
        drivers = {name: fleet.drivers(name) for name in fleet.names}

        plan = self.expect(fleet.run("plan"), 2)
        self.assertIn("gpu01", plan.out)
        self.assertEqual({name: fleet.tree(name, "etc", "boot") for name in fleet.names}, etc, "plan changed files")
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 1})

        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertEqual(fleet.on_vfio("gpu02"), {"0000:04:00.0", "0000:04:00.1"})
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})
        report = self.report(fleet)
        self.assertEqual([host["verdict"] for host in report["hosts"]], ["ready", "ready"])
        self.assertEqual(report["totals"]["ready"], 3)

        after = {name: fleet.tree(name, "etc", "boot") for name in fleet.names}
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual({name: fleet.tree(name, "etc", "boot") for name in fleet.names}, after)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})
        self.expect(fleet.run("plan"), 0)
        self.expect(fleet.run("verify"), 0)

        self.expect(fleet.run("rollback", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 3, "gpu02": 3})
        self.assertEqual({name: fleet.drivers(name) for name in fleet.names}, drivers)
        for name in fleet.names:
            self.assertEqual(fleet.tree(name, "etc"), {path: value for path, value in etc[name].items()
                                                       if path.startswith("etc")})

    def test_verify_finds_drift(self):
        fleet = self.fleet([STOCK])
        self.expect(fleet.run("apply", "--yes"), 0)
        self.expect(fleet.run("verify"), 0)
        changed = None
        for path in fleet.tree("gpu01", "etc"):
            if "gpufleet" in path and "grub" in path:
                changed = path
        self.assertIsNotNone(changed, "apply left no drop-in for GRUB")
        with open(fleet.path("gpu01", "root", changed), "a", encoding="utf-8") as file:
            file.write("# somebody was here\n")
        verify = self.expect(fleet.run("verify"), 2)
        self.assertIn("gpu01", verify.out + verify.err)

    def test_one_of_twins(self):
        """Of two equal cards one is wanted: its twin stays with the host, through repeated boots with competitors in the image."""
        hosts = {"gpu01": {"gpus": [{"alias": "nvidia1080", "address": "0000:02:00.0", "functions": "all"}]}}
        fleet = self.fleet([STOCK], {"hosts": hosts})
        self.expect(fleet.run("apply", "--yes"), 0)
        for boots in (2, 3):
            self.assertEqual(fleet.on_vfio("gpu01"), {"0000:02:00.0", "0000:02:00.1"})
            drivers = fleet.drivers("gpu01")
            self.assertEqual((drivers["0000:01:00.0"], drivers["0000:01:00.1"], drivers["0000:00:1f.3"]),
                             ("nouveau", "snd_hda_intel", "snd_hda_intel"))
            if boots == 2:
                fleet.request("gpu01", "reboot")
                fleet.wait(lambda: fleet.boots("gpu01") == 3, 20, "the third boot")
        self.assertNotIn("nouveau", "".join(open(fleet.path("gpu01", "root", path), encoding="utf-8").read()
                                            for path in fleet.tree("gpu01", "etc/modprobe.d")))

    def test_scan_changes_nothing(self):
        fleet = self.fleet([STOCK])
        before = fleet.tree("gpu01", "etc", "boot")
        scan = self.expect(fleet.run("scan"), 0)
        self.assertIn("1b06", scan.out)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(self.report(fleet)["hosts"][0]["verdict"], "pending")


if __name__ == "__main__":
    main()
