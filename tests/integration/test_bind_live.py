"""Where no driver has the wanted devices and the running kernel has what it needs, they are bound as the host runs: no reboot."""

import os

from harness import CARDS, Case, main

FREE = {"etc/default/grub.d/site.cfg": 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt"\n',
        "etc/modprobe.d/site.conf": "blacklist nouveau\nblacklist nvidiafb\nblacklist snd_hda_intel\n"}
STOCK = {"name": "gpu01", "kind": "intel-nvidia", "files": FREE}


class BindLive(Case):
    def test_no_reboot(self):
        fleet = self.fleet([STOCK])
        self.assertEqual({fleet.drivers("gpu01")[card] for card in CARDS}, {None})
        before = fleet.tree("gpu01", "etc")
        plan = self.expect(fleet.run("plan"), 2)
        self.assertIn("GPUs to vfio-pci: 4 devices for vfio-pci, without a reboot", plan.out)
        self.assertNotIn("trial boot", plan.out)
        self.assertIn("0 reboots", plan.out)
        result = self.expect(fleet.run("apply", "--yes"), 0)
        self.assertIn("1 changed, 0 rebooted", result.out)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.expect(fleet.run("plan"), 0)
        # … and it is what later boots bring.
        fleet.request("gpu01", "reboot")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 60, "the reboot")
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.expect(fleet.run("verify"), 0)
        self.expect(fleet.run("rollback", "--yes"), 0)
        self.assertEqual(before, fleet.tree("gpu01", "etc"))
        self.assertEqual({fleet.drivers("gpu01")[card] for card in CARDS}, {None})

    def test_guests_are_no_hindrance(self):
        """Nothing is rebooted, so a guest without a card may run on."""
        fleet = self.fleet([STOCK])
        process = fleet.path("gpu01", "root/proc/4711")
        os.makedirs(os.path.join(process, "fd"))
        with open(os.path.join(process, "cmdline"), "w", encoding="utf-8") as file:
            file.write("/usr/bin/qemu-system-x86_64\0-name\0guest=instance-00000007\0")
        with open(os.path.join(process, "comm"), "w", encoding="utf-8") as file:
            file.write("qemu-system-x86\n")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)

    def test_what_still_needs_one(self):
        """A driver has a function; an argument is missing on the running kernel's line."""
        for files in (dict(FREE, **{"etc/modprobe.d/site.conf": "blacklist nouveau\nblacklist nvidiafb\n"}),
                      {"etc/modprobe.d/site.conf": FREE["etc/modprobe.d/site.conf"]}):
            fleet = self.fleet([dict(STOCK, files=files)])
            self.assertIn("with a reboot (trial boot, then commit)", self.expect(fleet.run("plan"), 2).out)
            self.expect(fleet.run("apply", "--yes"), 0)
            self.assertEqual(fleet.boots("gpu01"), 2)
            self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
            fleet.close()


if __name__ == "__main__":
    main()
