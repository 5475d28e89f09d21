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
        for argument, groups in (("intel_iommu=off", False), ("iommu=off", False), ("iommu=soft", True), ("amd_iommu=off", True),
                                 ("iommu=off intel_iommu=on", False), ("iommu=pt,off", False), ("intel_iommu=of", True),
                                 ("intel_iommu=on intel_iommu=off", False), ("intel_iommu=off intel_iommu=on,sm_on", True)):
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

    def test_softdep_brings_its_module_into_the_image(self):
        """`modprobe --show-depends`, which fills the image, knows softdeps: no list needs to name vfio-pci."""
        fleet = self.boot({"etc/modprobe.d/x.conf": "options vfio-pci ids=10de:1b06\nsoftdep nouveau pre: vfio-pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), {"0000:01:00.0", "0000:02:00.0"})

    def test_ids_as_the_kernel_reads_them(self):
        softdep = "softdep nouveau pre: vfio-pci\n"
        for options, bound in (("ids=0x10DE:0x1B06", True), ("ids=10de:1b06 ids=10de:ffff", False), ("ids=10de", False),
                               ("id=10de:1b06", False), ("ids=, 10de:1b06", False)):
            fleet = self.boot({"etc/modprobe.d/x.conf": f"options vfio-pci {options}\n{softdep}"})
            self.assertEqual(bool(fleet.on_vfio("gpu01")), bound, options)
            fleet.close()

    def test_ids_count_when_the_module_is_loaded(self):
        """Those that the image doesn't have come too late, though the driver is there and the devices are free."""
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\n", "etc/initramfs-tools/modules": "vfio-pci\n"})
        with open(fleet.path("gpu01", "root/etc/modprobe.d/y.conf"), "w", encoding="utf-8") as file:
            file.write("options vfio-pci ids=10de:1b06\n")
        self.reboot(fleet)
        self.assertEqual(fleet.on_vfio("gpu01"), set())
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], None)

    def test_options_behind_a_module_s_name(self):
        """initramfs-tools hands them to modprobe; for systemd-modules-load they are part of the name."""
        for path, bound in (("etc/initramfs-tools/modules", {"0000:01:00.0", "0000:02:00.0"}), ("etc/modules", set())):
            fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\n", path: "vfio-pci ids=10de:1b06\n"})
            self.assertEqual(fleet.on_vfio("gpu01"), bound, path)
            fleet.close()

    def test_blacklist_counts_for_modules_load(self):
        """systemd-modules-load applies blacklists, other than modprobe."""
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\nblacklist vfio-pci\noptions vfio-pci ids=10de:1b06\n",
                           "etc/modules": "vfio-pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), set())

    def test_command_line_options(self):
        fleet = self.boot({"etc/default/grub.d/x.cfg": 'GRUB_CMDLINE_LINUX="modprobe.blacklist=nouveau vfio_pci.ids=10de:1b06"\n',
                           "etc/modules": "vfio-pci\n"})
        self.assertEqual(fleet.on_vfio("gpu01"), {"0000:01:00.0", "0000:02:00.0"})

    def test_pci_stub(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "options pci-stub ids=10de:1b06\nsoftdep nouveau pre: pci-stub\n"})
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], "pci-stub")

    def test_amdgpu_refuses_what_is_radeon_s(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist radeon\n"}, "vm-bed")
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], None)
        self.assertTrue(os.path.exists(fleet.path("gpu01", "root/sys/module/amdgpu")))

    def test_power_state_is_known_to_who_enabled_the_device(self):
        fleet = self.boot({"etc/modprobe.d/x.conf": "blacklist nouveau\n"})
        for address, state in (("0000:01:00.0", "unknown"), ("0000:01:00.1", "D0")):
            with open(fleet.path("gpu01", "root/sys/bus/pci/devices", address, "power_state"), encoding="utf-8") as file:
                self.assertEqual(file.read().strip(), state)

    def test_parameters(self):
        """vfio brings vfio_iommu_type1 along, whose parameter comes from modprobe.d."""
        for options, value in (("", "N"), ("options vfio_iommu_type1 allow_unsafe_interrupts=1\n", "Y")):
            fleet = self.boot({"etc/modprobe.d/x.conf": options, "etc/modules": "vfio-pci\n"})
            path = fleet.path("gpu01", "root/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read().strip(), value)
            fleet.close()

    def test_stale_image(self):
        """What is not in the image doesn't count in the image."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}], boot_seconds=0.1)
        with open(fleet.path("gpu01", "root/etc/modprobe.d/x.conf"), "w", encoding="utf-8") as file:
            file.write("blacklist nouveau\n")
        self.reboot(fleet)
        self.assertEqual(fleet.drivers("gpu01")["0000:01:00.0"], "nouveau")


if __name__ == "__main__":
    main()
