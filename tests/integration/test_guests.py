"""No host goes down under a running guest unless the operator says so, however the guest can be seen."""

import os
import shutil

from harness import CARDS, Case, main

STOCK = {"name": "gpu01", "kind": "intel-nvidia"}
PID = 4711  # the simulator's next boot takes processes 4000 to 4999 away
QEMU = ["/usr/bin/qemu-system-x86_64", "-name", "guest=instance-00000007,debug-threads=on", "-machine", "q35"]
# As libvirt 9 writes it while a domain runs, shortened.
DOMAIN = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE
OVERWRITTEN AND LOST.
-->
<domstatus state='running' reason='booted' pid='%d'>
  <monitor path='/var/lib/libvirt/qemu/domain-1-instance-00000007/monitor.sock' type='unix'/>
  <domain type='kvm' id='1'>
    <name>instance-00000007</name>
  </domain>
</domstatus>
"""

# A systemctl: what is stopped has just taken an instance in.
LATE_GUEST = """#!/bin/sh
process=$GPUFLEET_SYSROOT/proc/%d
if [ "$1" = stop ]; then
	mkdir -p "$process/fd"
	printf '/usr/bin/qemu-system-x86_64\\0-name\\0guest=instance-00000007\\0' >"$process/cmdline"
	echo qemu-system-x86 >"$process/comm"
fi
exec "$GPUFLEET_SYSROOT/usr/bin/systemctl.real" "$@"
"""


class Guests(Case):
    def process(self, fleet, arguments, comm):
        root = fleet.path("gpu01", "root/proc", str(PID))
        os.makedirs(os.path.join(root, "fd"))
        with open(os.path.join(root, "cmdline"), "w", encoding="utf-8") as file:
            file.write("".join(argument + "\0" for argument in arguments))
        with open(os.path.join(root, "comm"), "w", encoding="utf-8") as file:
            file.write(comm + "\n")
        return root

    def qemu(self, fleet):
        self.process(fleet, QEMU, "qemu-system-x86")

    def libvirt(self, fleet):
        """A domain whose process doesn't look like QEMU's: a wrapper, or another emulator."""
        self.process(fleet, ["/opt/vendor/emulator"], "emulator")
        directory = fleet.path("gpu01", "root/run/libvirt/qemu")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, "instance-00000007.xml"), "w", encoding="utf-8") as file:
            file.write(DOMAIN % PID)

    def vfio(self, fleet):
        """Neither: but it has a group of /dev/vfio open."""
        root = self.process(fleet, ["/opt/vendor/emulator"], "emulator")
        os.symlink("/dev/vfio/vfio", os.path.join(root, "fd/10"))
        os.symlink("/dev/vfio/8", os.path.join(root, "fd/11"))

    def refused(self, fleet, *command):
        before, boots, drivers = fleet.tree("gpu01", "etc", "boot"), fleet.boots("gpu01"), fleet.drivers("gpu01")
        result = self.expect(fleet.run(*command, "--yes"), 2)
        self.assertIn("guest is running", result.out + result.err)
        self.assertIn("--allow-running-guests", result.out + result.err)
        self.assertEqual(fleet.boots("gpu01"), boots, f"{command} rebooted the host")
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(fleet.drivers("gpu01"), drivers)

    def allowed(self, fleet, *command):
        boots = fleet.boots("gpu01")
        self.expect(fleet.run(*command, "--yes", "--allow-running-guests"), 0)
        self.assertEqual(fleet.boots("gpu01"), boots + 1)

    def every_command(self, guest):
        fleet = self.fleet([STOCK])
        guest(fleet)
        self.refused(fleet, "apply")
        self.refused(fleet, "reboot")
        self.allowed(fleet, "apply")
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        guest(fleet)
        self.refused(fleet, "reboot")
        self.refused(fleet, "rollback")
        self.allowed(fleet, "reboot")
        guest(fleet)
        self.refused(fleet, "rollback")
        self.allowed(fleet, "rollback")
        self.assertEqual(fleet.on_vfio("gpu01"), set())

    def test_qemu_process(self):
        self.every_command(self.qemu)

    def test_libvirt_domain(self):
        self.every_command(self.libvirt)

    def test_vfio_holder(self):
        self.every_command(self.vfio)

    def test_ended_domain_is_no_guest(self):
        """libvirt's file may outlive its process."""
        fleet = self.fleet([STOCK])
        self.libvirt(fleet)
        shutil.rmtree(fleet.path("gpu01", "root/proc", str(PID)))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_guest_that_starts_meanwhile(self):
        """None was there when the host was looked at first; it is looked at again before the reboot."""
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "slow-update-initramfs", "3")
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: "update-initramfs" in fleet.programs("gpu01"), 60, "update-initramfs")
        self.qemu(fleet)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2, out + err)
        self.assertRegex(out + err, r"1 guest (is running|runs on this host) \(instance-00000007\)")
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.refused(fleet, "apply")
        shutil.rmtree(fleet.path("gpu01", "root/proc", str(PID)))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)

    def nova_unit(self, fleet):
        with open(fleet.path("gpu01", "control/units/nova-compute.service"), encoding="utf-8") as file:
            return file.read().strip()

    def test_nova_is_stopped_for_the_reboot(self):
        """Between the last look for guests and the reboot nothing can be scheduled here."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nova"}])
        self.expect(fleet.run("apply", "--yes"), 0)
        programs = fleet.programs("gpu01")
        self.assertEqual(programs.count("reboot"), 1)
        self.assertEqual(programs[:programs.index("reboot")].count("stop"), 1)
        self.assertEqual(self.nova_unit(fleet), "enabled active")
        self.assertFalse(os.path.exists(fleet.path("gpu01", "root/var/lib/gpufleet/nova-paused.json")))
        self.qemu(fleet)
        self.allowed(fleet, "reboot")
        self.assertEqual(fleet.programs("gpu01").count("stop"), 2)

    def test_instance_that_was_scheduled_at_the_last_moment(self):
        """It is there when nova-compute has stopped: no reboot, and nova-compute runs again."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nova"}])
        systemctl = fleet.path("gpu01", "root/usr/bin/systemctl")
        os.rename(systemctl, systemctl + ".real")
        with open(systemctl, "w", encoding="utf-8") as file:
            file.write(LATE_GUEST % PID)
        os.chmod(systemctl, 0o755)
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("1 guest runs on this host (instance-00000007)", result.out + result.err)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.assertEqual(self.nova_unit(fleet), "enabled active")
        shutil.rmtree(fleet.path("gpu01", "root/proc", str(PID)))
        os.rename(systemctl + ".real", systemctl)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)


if __name__ == "__main__":
    main()
