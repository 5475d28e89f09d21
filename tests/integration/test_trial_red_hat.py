"""The same trials on a Rocky-like host: boot entries as files, grubby, dracut."""

import glob
import os

import test_trial
from harness import main

ENTRY = "boot/loader/entries/6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-6.1.0-28-amd64.conf"


class RedHatTrial(test_trial.Trial):
    STOCK = {"name": "gpu01", "kind": "rocky-nvidia"}
    GRUB = "boot/grub2"
    DEFAULT = (ENTRY, "boot/grub2/grub.cfg", "boot/initramfs-6.1.0-28-amd64.img")
    PLACES = ("etc", "boot", "usr/lib")
    BUILD, LOOK, CHOOSE, COMMIT = "dracut", "lsinitrd", "grub2-reboot", "grubby"
    LOCK = "var/lib/rpm/.rpm.lock"
    NOVA = "openstack-nova-compute.service"
    # The same code whatever the entries are; test_trial_boot.c has these hosts' own reasons.
    test_where_a_trial_is_not_possible = test_file_changed_by_hand_meanwhile = None

    def default_line(self, fleet):
        with open(fleet.path("gpu01", "root", ENTRY), encoding="utf-8") as file:
            return next(line for line in file if line.startswith("options "))

    def test_cut_in_the_commit_after_the_menu(self):
        """One program builds the trial's image and the default's: the power goes at the second."""
        fleet = self.fleet([self.STOCK])
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 90, "the trial")
        fleet.fault("gpu01", "die-at-dracut")
        fleet.wait(lambda: not os.path.exists(fleet.path("gpu01", "control/fault/die-at-dracut")), 90, "the commit")
        self.kill(process)
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the boot after the power cut")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_cut_while_the_default_image_is_written(self):
        """dracut writes over its target: the default's image is whole all the same when the power goes meanwhile."""
        fleet = self.fleet([self.STOCK])
        stock = fleet.tree("gpu01", "boot")[self.DEFAULT[2]]
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 90, "the trial")
        fleet.fault("gpu01", "die-inside-dracut")
        fleet.wait(lambda: not os.path.exists(fleet.path("gpu01", "control/fault/die-inside-dracut")), 90, "the commit")
        self.assertEqual(fleet.tree("gpu01", "boot")[self.DEFAULT[2]], stock)
        self.kill(process)
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the boot after the power cut")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)
        self.assertEqual([name for name in fleet.tree("gpu01", "boot") if name.endswith(".gpufleet-new")], [])

    def test_the_trial_keeps_what_tuned_gives(self):
        """The arguments that tuned brings by a variable of GRUB's are the trial's, too; the other kernels are left alone."""
        fleet = self.fleet([self.STOCK])
        self.in_the_trial(fleet)
        line = self.kernel_line(fleet).split()
        for word in ("nohz_full=2-7", "tuned.non_isolcpus=00000003", "iommu=pt", "console=tty0", "panic=30", "rd.shell=0", "rd.emergency=reboot"):
            self.assertIn(word, line)
        with open(fleet.path("gpu01", "root/boot/grub2/custom.cfg"), encoding="utf-8") as file:
            self.assertIn(" $tuned_params ", file.read())
        self.assertEqual([os.path.basename(path) for path in glob.glob(fleet.path("gpu01", "root/boot/gpufleet*"))],
                         ["gpufleet-trial.img"])


if __name__ == "__main__":
    main()
