"""rollout.drain, undrain and power_cycle: the operator's own commands around a reboot, as real processes."""

import os
import shutil
import signal

from harness import CARDS, Case, main

QEMU = "/usr/bin/qemu-system-x86_64\0-name\0guest=instance-00000007,debug-threads=on\0"
COMMAND = """#!/bin/sh
echo "{name} $GPUFLEET_HOST $GPUFLEET_STATE $GPUFLEET_FLEET $(cat {state}/hosts/$GPUFLEET_HOST/control/boots)" >>{log}
[ -n "$GPUFLEET_RUN" ] && [ -n "$GPUFLEET_ADDRESS" ] || exit 9
if [ -e {directory}/{name}-hangs ]; then
	sleep 600
fi
if [ -e {directory}/{name}-fails ]; then
	echo "no host to move instance-00000007 to"
	exit 3
fi
{work}
"""


class Drain(Case):
    def drained(self, count=2, guest=True, **hosts):
        """A fleet with all three commands; gpu01 runs a guest, which the drain moves away."""
        fleet = self.fleet([{"name": "gpu", "count": count, "kind": "intel-nvidia", **hosts}])
        works = {"drain": f"rm -rf {fleet.state}/hosts/$GPUFLEET_HOST/root/proc/4711", "undrain": "",
                 "power": f": >{fleet.state}/hosts/$GPUFLEET_HOST/control/power"}
        for name, work in works.items():
            path = os.path.join(fleet.directory, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(COMMAND.format(name=name, state=fleet.state, log=self.log(fleet),
                                          directory=fleet.directory, work=work))
            os.chmod(path, 0o755)
        fleet.inventory_change(lambda inventory: inventory["rollout"].update(
            max_unavailable=1, drain=[os.path.join(fleet.directory, "drain")],
            undrain=[os.path.join(fleet.directory, "undrain")],
            power_cycle=[os.path.join(fleet.directory, "power")]))
        if guest:
            process = fleet.path("gpu01", "root/proc/4711")
            os.makedirs(os.path.join(process, "fd"))
            with open(os.path.join(process, "cmdline"), "w", encoding="utf-8") as file:
                file.write(QEMU)
            with open(os.path.join(process, "comm"), "w", encoding="utf-8") as file:
                file.write("qemu-system-x86\n")
        return fleet

    def log(self, fleet):
        return os.path.join(fleet.directory, "log")

    def ran(self, fleet):
        try:
            with open(self.log(fleet), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def switch(self, fleet, name, on=True):
        path = os.path.join(fleet.directory, name)
        if on:
            with open(path, "w", encoding="utf-8"):
                pass
        else:
            os.unlink(path)

    def test_around_every_reboot(self):
        fleet = self.drained()
        plan = self.expect(fleet.run("plan"), 2)
        self.assertIn("1 guest runs here: rollout.drain is run before the reboot", " ".join(plan.out.split()))
        self.assertEqual(self.ran(fleet), [])
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(self.ran(fleet), ["drain gpu01 draining test 1", "undrain gpu01 confirmed test 2",
                                           "drain gpu02 draining test 1", "undrain gpu02 confirmed test 2"])
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(len(self.ran(fleet)), 4, "nothing is rebooted, so nothing is drained")
        self.expect(fleet.run("reboot", "--yes", "--limit", "gpu02"), 0)
        self.expect(fleet.run("rollback", "--yes", "--limit", "gpu02"), 0)
        self.assertEqual(self.ran(fleet)[4:], ["drain gpu02 draining test 2", "undrain gpu02 done test 3",
                                               "drain gpu02 draining test 3", "undrain gpu02 done test 4"])

    def test_in_service_before_the_commit(self):
        """The images of a proven trial are made for good when the host is back in service already."""
        fleet = self.drained(count=1, guest=False)
        done = os.path.join(fleet.directory, "undrain")
        with open(done, "a", encoding="utf-8") as file:
            file.write(f"cp {fleet.path('gpu01', 'root/var/lib/gpufleet/trial.json')} {fleet.directory}/trial\n"
                       f"cp {fleet.path('gpu01', 'root/boot/grub/grub.cfg')} {fleet.directory}/grub.cfg\n")
        result = self.expect(fleet.run("apply", "--yes"), 0)
        self.assertLess(result.out.index("undraining"), result.out.index("committing"))
        with open(os.path.join(fleet.directory, "trial"), encoding="utf-8") as file:
            self.assertIn('"state":"committing"', file.read())
        with open(os.path.join(fleet.directory, "grub.cfg"), encoding="utf-8") as file:
            self.assertNotIn("intel_iommu=on", file.read())
        with open(fleet.path("gpu01", "root/boot/grub/grub.cfg"), encoding="utf-8") as file:
            self.assertIn("intel_iommu=on", file.read())

    def test_drain_that_fails(self):
        fleet = self.drained()
        self.switch(fleet, "drain-fails")
        result = self.expect(fleet.run("apply", "--yes"), 2)
        out = " ".join((result.out + result.err).split())
        self.assertIn("skipped (2): gpu[01-02]", out)
        self.assertIn("not rebooted: rollout.drain: %s ended with status 3: no host to move instance-00000007 to. "
                      "The same command tries again" % os.path.join(fleet.directory, "drain"), out)
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 1})
        self.assertEqual(self.ran(fleet)[1], "undrain gpu01 skipped test 1")
        self.switch(fleet, "drain-fails", False)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})

    def test_undrain_that_fails(self):
        fleet = self.drained(count=1)
        self.switch(fleet, "undrain-fails")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("all is well with it, but it is still drained: rollout.undrain:",
                      " ".join((result.out + result.err).split()))
        self.switch(fleet, "undrain-fails", False)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(self.ran(fleet), ["drain gpu01 draining test 1", "undrain gpu01 confirmed test 2",
                                           "undrain gpu01 done test 2", "undrain gpu01 done test 2"])
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_killed_while_it_drains(self):
        fleet = self.drained()
        self.switch(fleet, "drain-hangs")
        process = fleet.start("apply", "--yes", start_new_session=True)
        fleet.wait(lambda: self.ran(fleet), 90, "the drain")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.switch(fleet, "drain-hangs", False)
        result = self.expect(fleet.run("apply", "--yes"), 0)
        self.assertIn("1 host was in the middle of something (gpu01)", result.err)
        self.assertEqual(self.ran(fleet)[:3], ["drain gpu01 draining test 1", "drain gpu01 draining test 1",
                                               "undrain gpu01 confirmed test 2"])
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})

    def test_power_cycle(self):
        """The trial's kernel hangs for good: the power cycle brings the former entry back, and the host is rolled back."""
        fleet = self.drained(count=1, guest=False)
        fleet.inventory_change(lambda inventory: (
            inventory["rollout"].update(boot_timeout="4s", confirm_timeout="2s"),
            inventory.update(defaults=dict(inventory.get("defaults", {}),
                                           kernel_args={"add": ["rdinit=/nonexistent", "panic=0"]}))))
        stock = fleet.drivers("gpu01")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("rolled back", result.out + result.err)
        self.assertEqual([line.split()[0] for line in self.ran(fleet)], ["drain", "power", "undrain"])
        self.assertEqual(self.ran(fleet)[2].split()[2], "failed")
        self.assertEqual(fleet.drivers("gpu01"), stock)


if __name__ == "__main__":
    main()
