"""The simulator's own boot model, without gpufleet: hosts configured by hand behave as real ones were seen to."""

import os
import subprocess

from harness import CARDS, Case, main

SCRIPT = """#!/bin/sh
case $1 in prereqs) exit 0;; esac
for address in %s; do
	echo vfio-pci >"$GPUFLEET_SYSROOT/sys/bus/pci/devices/$address/driver_override"
done
modprobe vfio-pci
"""


class Simulator(Case):
    def boot(self, files=None, kind="intel-nvidia"):
        """A host with these files, its image and boot loader brought up to date by its own tools, and booted."""
        fleet = self.fleet([{"name": "gpu01", "kind": kind}], boot_seconds=0.1)
        for path, text in (files or {}).items():
            path = fleet.path("gpu01", "root", path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, 0o755 if text.startswith("#!") else 0o644)
        self.tool(fleet, "update-initramfs", "-u", "-k", "all")
        self.tool(fleet, "update-grub")
        self.reboot(fleet)
        return fleet

    def tool(self, fleet, name, *args):
        root = fleet.path("gpu01", "root")
        subprocess.run([os.path.join(root, "usr/sbin", name), *args], check=True, capture_output=True,
                       env={"GPUFLEET_SYSROOT": root, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def reboot(self, fleet):
        boots = fleet.boots("gpu01")
        fleet.request("gpu01", "reboot")
        fleet.wait(lambda: fleet.boots("gpu01") == boots + 1, 20, "the reboot")

    def groups(self, fleet):
        return len(os.listdir(fleet.path("gpu01", "root/sys/kernel/iommu_groups")))

    def test_stock(self):
        fleet = self.boot()
        drivers = fleet.drivers("gpu01")
        self.assertEqual({drivers[address] for address in CARDS}, {"nouveau", "snd_hda_intel"})
        self.assertEqual(drivers["0000:00:01.0"], "pcieport")
        self.assertGreater(self.groups(fleet), 0, "Debian's kernel has Intel's IOMMU on by default")

    def test_ids_by_hand_leave_the_audio_function(self):
        """The blog post's way without its blacklist of snd_hda_intel: the image loads the audio driver first."""
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\noptions vfio-pci ids=10de:1b06,10de:10ef\n",
                           "etc/modules": "vfio_pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), {"0000:01:00.0", "0000:02:00.0"})

    def test_late_module_list_loses(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "options vfio-pci ids=10de:1b06,10de:10ef\n",
                           "etc/initramfs-tools/modules": "vfio_pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), set())

    def test_softdep_wins_and_takes_twins(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "options vfio-pci ids=10de:1b06,10de:10ef\nsoftdep nouveau pre: vfio-pci\n"
                                                    "softdep snd_hda_intel pre: vfio-pci\n",
                           "etc/initramfs-tools/modules": "vfio_pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertEqual(fleet.drivers("gpu01")["0000:00:1f.3"], "snd_hda_intel")

    def test_override_before_udev(self):
        wanted = {"0000:02:00.0", "0000:02:00.1"}
        fleet = self.boot({"etc/initramfs-tools/scripts/init-top/early": SCRIPT % " ".join(sorted(wanted)),
                           "etc/initramfs-tools/hooks/early": "#!/bin/sh\n[ \"$1\" = prereqs ] && exit 0\n"
                           ". \"$GPUFLEET_SYSROOT/usr/share/initramfs-tools/hook-functions\"\nmanual_add_modules vfio-pci\n"})
        for _ in range(3):
            self.assertEqual(fleet.on_vfio("gpu01"), wanted)
            self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], "nouveau")
            self.reboot(fleet)

    def test_udev_rule_loses_to_another_device(self):
        """One device's event loads the driver that takes the next one, before its rule was applied."""
        fleet = self.boot({"etc/udev/rules.d/10-x.rules": 'ACTION=="add", SUBSYSTEM=="pci", ATTR{vendor}=="0x10de", '
                                                          'ATTR{driver_override}="vfio-pci"\n',
                           "etc/initramfs-tools/modules": "vfio_pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), {"0000:01:00.0"})

    def test_command_line(self):
        for argument, groups in (("intel_iommu=off", False), ("iommu=off", False), ("iommu=soft", True), ("amd_iommu=off", True)):
            fleet = self.boot({"etc/default/grub.d/x.cfg": f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {argument}"\n'})
            self.assertEqual(self.groups(fleet) > 0, groups, argument)
            fleet.close()

    def test_no_binding_without_groups(self):
        fleet = self.boot({"etc/initramfs-tools/scripts/init-top/early": SCRIPT % "0000:01:00.0",
                           "etc/initramfs-tools/modules": "vfio_pci\n"}, "no-iommu")
        self.assertEqual(fleet.on_vfio("gpu01"), set())

    def test_blacklist_and_nomodeset(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\n"})
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], None)
        self.tool(fleet, "modprobe", "nouveau")
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], "nouveau", "a blacklist stops loading by alias only")
        fleet = self.boot({"etc/default/grub.d/x.cfg": 'GRUB_CMDLINE_LINUX="nomodeset"\n'})
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], None)

    def test_stale_image(self):
        """What is not in the image doesn't count in the image."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}], boot_seconds=0.1)
        with open(fleet.path("gpu01", "root/etc/modprobe.d/x.conf"), "w", encoding="utf-8") as file:
            file.write("blacklist nouveau\n")
        self.reboot(fleet)
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], "nouveau")


if __name__ == "__main__":
    main()
