"""A driver that doesn't let go: writing to its `unbind` hangs in the kernel, for ever."""

import json
import os
import signal
import subprocess
import time

from harness import CARDS, Case, main

DEVICE = "0000:01:00.0"
# A host's own script that gives the card back to nouveau late in the initramfs, as the simulator models it: by links.
THIEF = f"""#!/bin/sh
case $1 in prereqs) exit 0;; esac
pci=$(readlink -f "$GPUFLEET_SYSROOT/sys/bus/pci")
[ "$(basename "$(readlink "$pci/devices/{DEVICE}/driver")")" = vfio-pci ] || exit 0
modprobe nouveau
rm "$pci/drivers/vfio-pci/{DEVICE}" "$pci/devices/{DEVICE}/driver"
ln -s "$pci/drivers/nouveau" "$pci/devices/{DEVICE}/driver"
ln -s "$(readlink -f "$pci/devices/{DEVICE}")" "$pci/drivers/nouveau/{DEVICE}"
rm -f "$pci/drivers/nouveau/unbind"
%s
"""
TIMEOUT = 2


class Unbind(Case):
    def stolen(self, unbind):
        """A host on which, after the reboot, nouveau holds the card, with an `unbind` made by these shell commands."""
        host = {"name": "gpu01", "kind": "intel-nvidia",
                "files": {"etc/initramfs-tools/scripts/init-bottom/thief": THIEF % unbind}}
        fleet = self.fleet([host])
        with open(os.path.join(os.path.dirname(__file__), "../../playbooks/gpu-passthrough.json"), encoding="utf-8") as file:
            playbook = json.load(file)
        for stage in playbook["stages"]:
            for task in stage["tasks"]:
                if task["type"] == "unbind":
                    task["timeout"] = TIMEOUT
        with open(os.path.join(fleet.state, "short.json"), "w", encoding="utf-8") as file:
            json.dump(playbook, file)
        # In place: a trial would be sent back, by a reboot that ends what hangs.
        with open(fleet.path("gpu01", "control", "grub-fs"), "w", encoding="utf-8") as file:
            file.write("btrfs\n")
        fleet.inventory_change(lambda inventory: inventory.update(playbook="./short.json"))
        return fleet

    def check_hang(self, fleet):
        result = self.expect(fleet.run("apply", "--yes", timeout=60), 3)
        self.assertIn(f"taking {DEVICE} from nouveau hung for {TIMEOUT} s", result.out + result.err)
        stamps = [line.split()[0] for line in result.out.splitlines() if "gpu01:" in line and line[2:3] == ":"]
        took = [sum(int(n) * f for n, f in zip(stamp.split(":"), (3600, 60, 1))) for stamp in (stamps[-2], stamps[-1])]
        self.assertLess((took[1] - took[0]) % 86400, TIMEOUT + 20, str(result))
        self.assertEqual(fleet.drivers("gpu01")[DEVICE], "nouveau")
        # The kernel holds the device's lock from now on: these files hang whoever touches them.
        for name in ("driver_override", "sriov_numvfs"):
            path = os.path.join(fleet.path("gpu01", "root/sys/bus/pci/devices"), DEVICE, name)
            if os.path.exists(path):
                os.unlink(path)
            os.mkfifo(path)
        start = time.monotonic()
        self.expect(fleet.run("scan", timeout=60), 0)
        self.assertLess(time.monotonic() - start, 40, "the agent takes its time")
        host = self.report(fleet)["hosts"][0]
        self.assertNotEqual(host["verdict"], "ready")
        device = next(device for device in host["devices"] if device["address"] == DEVICE)
        self.assertEqual((device["driver"], device["verdict"]), ("nouveau", "pending"))
        # And again: the operation before is over, whatever it left behind.
        self.assertIn("hung for", self.expect(fleet.run("apply", "--yes", timeout=60), 3).out)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_taken_over(self):
        """The plain case: `unbind` works, and the card goes to vfio-pci without another reboot."""
        fleet = self.stolen(': >"$pci/drivers/nouveau/unbind"')
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_hang(self):
        """The writer could still be killed."""
        self.check_hang(self.stolen('mkfifo "$pci/drivers/nouveau/unbind"'))

    def test_hang_that_cannot_be_killed(self):
        """The writer is in uninterruptible sleep, as in a driver's remove: here, in a frozen file system."""
        if os.geteuid() != 0:
            self.skipTest("freezing a file system takes root")
        directory = os.path.join(self.fleet([{"name": "other", "kind": "control"}]).directory, "frozen")
        image = directory + ".img"
        os.mkdir(directory)
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        if subprocess.run(["mount", "-o", "loop", image, directory], capture_output=True, check=False).returncode:
            self.skipTest("this machine lets nobody mount a file system")
        self.addCleanup(subprocess.run, ["umount", directory], check=True)
        with open(os.path.join(directory, "unbind"), "w", encoding="utf-8"):
            pass
        fleet = self.stolen(f'ln -s {directory}/unbind "$pci/drivers/nouveau/unbind"')
        subprocess.run(["fsfreeze", "-f", directory], check=True)
        # Whatever becomes of this test, nothing stays frozen for long.
        guard = subprocess.Popen(["sh", "-c", 'sleep 250; fsfreeze -u "$1"', "sh", directory], start_new_session=True,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(guard.wait)
        self.addCleanup(os.killpg, guard.pid, signal.SIGKILL)
        self.addCleanup(subprocess.run, ["fsfreeze", "-u", directory], check=True)
        self.check_hang(fleet)
        self.assertTrue(self.uninterruptible(fleet), "nobody was left behind: the test tested nothing")

    def uninterruptible(self, fleet):
        """Processes about this fleet that not even SIGKILL ends."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    ours = fleet.directory in file.read()
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if ours and state == "D":
                found.append(pid)
        return found


if __name__ == "__main__":
    main()
