"""Hosts of other makes than the plain Intel one with Debian: AMD's IOMMU, Ubuntu's kernels and GRUB settings."""

import os

from harness import CARDS, Case, main

RADEON = [{"alias": "rx5700", "vendor": "1002", "device": "731f", "functions": "all"}]
RADEON_CARD = {"0000:04:00.0", "0000:04:00.1"}
AMD = {"name": "gpu01", "kind": "amd-radeon"}
UBUNTU = {"name": "gpu01", "kind": "ubuntu-nvidia"}
UBUNTU_CARD = {address for address in CARDS if address.startswith("0000:01")}
CLOUDIMG = """# Cloud Image specific Grub settings for Generic Cloud Images
# CLOUD_IMG: This file was created/modified by the Cloud Image build process

# Set the recordfail timeout
GRUB_RECORDFAIL_TIMEOUT=0

# Do not wait on grub prompt
GRUB_TIMEOUT=0

# Set the default commandline
GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"

# Set the grub console type
GRUB_TERMINAL=console
"""


class Kinds(Case):
    def command_line(self, fleet):
        with open(fleet.path("gpu01", "root/proc/cmdline"), encoding="utf-8") as file:
            return file.read().split()

    def groups(self, fleet):
        return len(os.listdir(fleet.path("gpu01", "root/sys/kernel/iommu_groups")))

    def check_ready(self, fleet, wanted):
        """Pending before, ready after one reboot, nothing to do then, and back."""
        self.expect(fleet.run("scan"), 0)
        self.assertEqual(self.report(fleet)["hosts"][0]["verdict"], "pending")
        stock = {"tree": fleet.tree("gpu01", "etc"), "line": self.command_line(fleet), "drivers": fleet.drivers("gpu01")}
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), wanted)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertEqual(self.report(fleet)["hosts"][0]["verdict"], "ready")
        # The trial's own two arguments are gone with the next boot.
        line = [word for word in self.command_line(fleet) if not word.startswith("gpufleet.op=") and word != "panic=30"]
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.expect(fleet.run("rollback", "--yes"), 0)
        self.assertEqual({"tree": fleet.tree("gpu01", "etc"), "line": self.command_line(fleet),
                          "drivers": fleet.drivers("gpu01")}, stock)
        return line

    def test_amd(self):
        """AMD's IOMMU is on unless it was switched off: nothing but pass-through is added."""
        fleet = self.fleet([AMD], {"gpus": RADEON})
        self.assertEqual(os.listdir(fleet.path("gpu01", "root/sys/firmware/acpi/tables")), ["IVRS"])
        stock = self.command_line(fleet)
        self.assertEqual(self.check_ready(fleet, RADEON_CARD), [*stock, "iommu=pt"])

    def test_amd_switched_off(self):
        fleet = self.fleet([dict(AMD, files={"etc/default/grub.d/site.cfg": 'GRUB_CMDLINE_LINUX="amd_iommu=off selinux=0"\n'})],
                           {"gpus": RADEON})
        self.assertEqual(self.groups(fleet), 0)
        line = self.check_ready(fleet, RADEON_CARD)
        self.assertEqual([word for word in line if "iommu" in word], ["iommu=pt"])
        self.assertIn("selinux=0", line)

    def test_amd_ignores_intels_argument(self):
        """Somebody's intel_iommu=off is theirs: it does nothing on this machine, and stays."""
        fleet = self.fleet([dict(AMD, files={"etc/default/grub.d/site.cfg": 'GRUB_CMDLINE_LINUX="intel_iommu=off"\n'})],
                           {"gpus": RADEON})
        line = self.check_ready(fleet, RADEON_CARD)
        self.assertEqual([word for word in line if "iommu" in word], ["intel_iommu=off", "iommu=pt"])

    def check_ubuntu(self, fleet, consoles):
        self.assertEqual(self.groups(fleet), 0, "Ubuntu's kernel wants to be told")
        self.assertEqual(self.command_line(fleet)[3:], consoles)
        line = self.check_ready(fleet, UBUNTU_CARD)
        self.assertEqual(line[3:], [*consoles, "intel_iommu=on", "iommu=pt"])

    def test_ubuntu_by_curtin(self):
        """The installer's drop-in overrides GRUB_CMDLINE_LINUX_DEFAULT of /etc/default/grub."""
        self.check_ubuntu(self.fleet([UBUNTU]), ["console=tty0", "console=ttyS1,115200n8"])

    def test_ubuntu_cloud_image(self):
        files = {"etc/default/grub.d/50-curtin-settings.cfg": "", "etc/default/grub.d/50-cloudimg-settings.cfg": CLOUDIMG}
        self.check_ubuntu(self.fleet([dict(UBUNTU, files=files)]), ["console=tty1", "console=ttyS0"])

    def test_override_after_ours(self):
        """A drop-in that is read after gpufleet's, and takes everything back: the trial can't become the default, and apply
        says why; with the drop-in gone the same command ends it without another reboot."""
        fleet = self.fleet([dict(UBUNTU, files={"etc/default/grub.d/zzz-site.cfg": 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n'})])
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("look for what overrides GRUB_CMDLINE_LINUX_DEFAULT", result.out + result.err)
        os.unlink(fleet.path("gpu01", "root/etc/default/grub.d/zzz-site.cfg"))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        fleet.request("gpu01", "reboot")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 60, "the third boot")
        self.assertEqual(fleet.on_vfio("gpu01"), UBUNTU_CARD)


if __name__ == "__main__":
    main()
