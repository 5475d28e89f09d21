"""Lost connections, killed controllers, hosts that die in the middle of a stage or never come back, ^C."""

import contextlib
import os
import signal
import sqlite3
import time
import unittest

from harness import CARDS, Case, main

STOCK = {"name": "gpu01", "kind": "intel-nvidia"}


class Interruption(Case):
    def in_the_middle(self, fleet, host="gpu01", tool="mkinitramfs"):
        """Waits until the stage, or its commit, builds an image on the host."""
        fleet.wait(lambda: fleet.programs(host).count(tool) > self.builds, 60, "the image to be built")

    def setUp(self):
        self.builds = 1  # the image that the simulator builds before the first boot

    def test_lost_connection_attaches_again(self):
        """In the middle of the stage, and in the middle of its commit."""
        for tool in ("mkinitramfs", "update-initramfs"):
            fleet = self.fleet([dict(STOCK, standin_faults={})])
            fleet.fault("gpu01", "cut-at-" + tool)
            self.expect(fleet.run("apply", "--yes"), 0)
            self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
            self.assertEqual(fleet.boots("gpu01"), 2)
            self.assertEqual(fleet.programs("gpu01").count("update-grub"), 2, "the commit ran twice")
            self.assertEqual(fleet.programs("gpu01").count("grub-reboot"), 1, "the stage ran twice")
            fleet.close()

    def test_killed_controller_resumes(self):
        """In the middle of the stage, and in the middle of its commit."""
        for tool in ("mkinitramfs", "update-initramfs"):
            fleet = self.fleet([STOCK])
            fleet.fault("gpu01", "slow-" + tool, "2")
            process = fleet.start("apply", "--yes")
            self.in_the_middle(fleet, tool=tool)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            self.expect(fleet.run("apply", "--yes"), 0)
            self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
            self.assertEqual(fleet.boots("gpu01"), 2)
            self.assertEqual(fleet.programs("gpu01").count("update-initramfs"), 2, "the commit ran twice")
            self.assertEqual(fleet.programs("gpu01").count("grub-reboot"), 1, "the stage ran twice")
            fleet.close()

    def test_killed_controller_during_the_reboot(self):
        fleet = self.fleet([STOCK], boot_seconds=2)
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: "reboot" in fleet.programs("gpu01"), 60, "the reboot")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)

    def test_killed_reboot_goes_on(self):
        """What `reboot` has rebooted is not rebooted again by the same command; once it is over, the next one is another."""
        fleet = self.fleet([{"name": "gpu", "count": 4, "kind": "intel-nvidia"}])
        fleet.inventory_change(lambda inventory: inventory["rollout"].update(max_unavailable=1))
        process = fleet.start("reboot", "--yes")
        fleet.wait(lambda: fleet.boots("gpu02") == 2, 60, "the second host's reboot")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        result = self.expect(fleet.run("reboot", "--yes"), 0)
        self.assertRegex(result.err, r"going on with the reboot that run \S+ began: 1 host was rebooted already, and left alone \(gpu01\)")
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2, "gpu04": 2})
        self.assertNotIn("going on", self.expect(fleet.run("reboot", "--yes", "--limit", "gpu01"), 0).err)
        self.assertEqual(fleet.boots("gpu01"), 3)

    def cut_short(self):
        """A fleet whose apply was killed with gpu01 in the middle, and gpu02 not begun; and the run's id."""
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}],
                           {"rollout": {"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0}})
        fleet.fault("gpu01", "slow-mkinitramfs", "2")
        process = fleet.start("apply", "--yes")
        self.in_the_middle(fleet)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with contextlib.closing(sqlite3.connect(fleet.store)) as store:
            run, = store.execute("select run from events order by seq desc limit 1").fetchone()
        return fleet, f"going on with run {run}, which was cut short: 1 host was in the middle of something (gpu01)"

    def test_says_what_it_goes_on_with(self):
        fleet, line = self.cut_short()
        for args in (("scan",), ("apply", "--yes", "--limit", "gpu02")):
            self.assertNotIn("going on", fleet.run(*args).err)
        self.assertEqual(self.expect(fleet.run("apply", "--yes"), 0).err.splitlines()[0], line)
        self.assertNotIn("going on", self.expect(fleet.run("apply", "--yes"), 0).err)

    def test_says_what_it_goes_on_with_as_json(self):
        fleet, line = self.cut_short()
        result = self.expect(fleet.run("apply", "--yes", "--json"), 0)
        self.assertNotIn("going on", result.err)
        event = result.events()[0]
        self.assertEqual([event["event"], event["status"], event["message"]], ["resume", "cut-short", line])

    def test_interrupt_says_what_is_in_flight(self):
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}],
                           {"rollout": {"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0}})
        fleet.fault("gpu01", "slow-mkinitramfs", "2")
        process = fleet.start("apply", "--yes")
        self.in_the_middle(fleet)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 130, out + err)
        self.assertIn("gpu01", out + err)
        self.assertEqual(fleet.boots("gpu02"), 1)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual([fleet.on_vfio("gpu01"), fleet.on_vfio("gpu02")], [CARDS, CARDS])
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})

    def test_second_interrupt_stops_at_once(self):
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "slow-mkinitramfs", "20")
        process = fleet.start("apply", "--yes")
        self.in_the_middle(fleet)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertLess(time.monotonic() - start, 10)

    def test_host_dies_in_the_middle_of_a_stage(self):
        """It comes back by itself on its old image; the same command brings it to the declared state."""
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "die-at-mkinitramfs")
        first = fleet.run("apply", "--yes")
        self.assertIn(first.status, (0, 2, 3), str(first))
        if first.status:
            self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.expect(fleet.run("plan"), 0)

    def test_host_never_comes_back(self):
        fleet = self.fleet([dict(STOCK, faults={"never_return": True})],
                           {"rollout": {"waves": ["100%"], "max_unavailable": 1, "max_failures": 0,
                                        "boot_timeout": "5s", "confirm_timeout": "5s"}})
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("gpu01", result.out + result.err)
        # That run came to its end: it was not cut short.
        self.assertNotIn("going on", self.expect(fleet.run("apply", "--yes"), 3).err)

    @unittest.skipUnless(os.geteuid() == 0, "mounts need root")
    def test_no_space(self):
        """/boot is full: said before anything is changed."""
        fleet = self.fleet([dict(STOCK, faults={"no_space": True})])
        before = fleet.tree("gpu01", "etc")
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("/boot has", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc"), before)
        self.assertEqual(fleet.boots("gpu01"), 1)
        listing = self.expect(fleet.run("exec", "--", "ls $GPUFLEET_SYSROOT/boot"), 0).out
        self.assertIn("initrd.img-", listing)
        self.assertNotIn(".new", listing)

    @unittest.skipUnless(os.geteuid() == 0, "mounts need root")
    def test_read_only_etc(self):
        fleet = self.fleet([dict(STOCK, faults={"read_only_etc": True})])
        before = fleet.tree("gpu01", "etc", "boot")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("ead-only", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_failing_tool_leaves_nothing_half_written(self):
        """update-grub fails when the trial is to become the default; once it works again, apply goes on from there."""
        fleet = self.fleet([STOCK])
        fleet.fault("gpu01", "fail-update-grub")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("the trial boot is proven, but making it the default failed: ", result.out + result.err)
        self.assertIn("update-grub", result.out + result.err)
        self.assertEqual([path for path in fleet.tree("gpu01", "etc") if path.endswith((".tmp", ".new", "~"))], [])
        os.unlink(fleet.path("gpu01", "control/fault/fail-update-grub"))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertEqual(fleet.boots("gpu01"), 2)


if __name__ == "__main__":
    main()
