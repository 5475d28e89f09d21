"""A Rocky-like host (boot entries as files, grubby, tuned, dracut) to vfio-pci and back."""

from harness import CARDS, Case, main


class RedHat(Case):
    def test_there_and_back(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "rocky-nvidia"}])
        before = fleet.tree("gpu01", "etc", "boot/loader", "usr")
        drivers = fleet.drivers("gpu01")
        self.assertEqual(drivers["0000:01:00.0"], "nouveau", "the simulated host does not boot as it should")

        plan = self.expect(fleet.run("plan"), 2)
        self.assertIn("dracut", plan.out)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot/loader", "usr"), before, "plan changed files")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertEqual(fleet.boots("gpu01"), 2)
        report = self.report(fleet)
        self.assertEqual([host["verdict"] for host in report["hosts"]], ["ready"])
        with open(fleet.path("gpu01", "root/proc/cmdline"), encoding="utf-8") as file:
            line = file.read().split()
        for word in ("intel_iommu=on", "iommu=pt", "nohz_full=2-7", "console=tty0", "console=ttyS0,115200n8"):
            self.assertIn(word, line)

        after = fleet.tree("gpu01", "etc", "boot/loader", "usr")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.expect(fleet.run("verify"), 0)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot/loader", "usr"), after)
        self.assertEqual(fleet.boots("gpu01"), 2)

        self.expect(fleet.run("rollback", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 3)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot/loader", "usr"), before)

    def test_one_of_twins(self):
        """Early binding from the pre-udev hook: the wanted card, with nouveau in the image, and never its twin."""
        hosts = {"gpu01": {"gpus": [{"alias": "nvidia1080", "address": "0000:02:00.0", "functions": "all"}]}}
        fleet = self.fleet([{"name": "gpu01", "kind": "rocky-nvidia"}], {"hosts": hosts})
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), {"0000:02:00.0", "0000:02:00.1"})
        drivers = fleet.drivers("gpu01")
        self.assertEqual((drivers["0000:01:00.0"], drivers["0000:01:00.1"], drivers["0000:00:1f.3"]),
                         ("nouveau", "snd_hda_intel", "snd_hda_intel"))

    def test_boots_in_another_way(self):
        """Neither grubby nor grub2-mkconfig: blocked, with a cause, and untouched."""
        fleet = self.fleet([{"name": "gpu01", "kind": "rocky-nvidia"}])
        fleet.remove("gpu01", "usr/sbin/grubby")
        before = fleet.tree("gpu01", "etc", "boot", "usr")
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("set the arguments by hand", " ".join((result.out + result.err).split()))
        self.assertEqual(fleet.tree("gpu01", "etc", "boot", "usr"), before)
        self.assertEqual(fleet.boots("gpu01"), 1)


if __name__ == "__main__":
    main()
