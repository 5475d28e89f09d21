"""A boot change is tried once before it becomes the default: trials that fail, power cuts at every point, and hosts where
a trial is not possible."""

import fcntl
import json
import os
import re
import signal
import tarfile
import time
import unittest

from harness import CARDS, Case, main

CUSTOM = "menuentry 'memtest' { linux16 /boot/memtest.bin }"


class Trial(Case):
    """On a Debian host; test_trial_red_hat.py does the same on a Rocky-like one."""

    STOCK = {"name": "gpu01", "kind": "intel-nvidia"}
    GRUB = "boot/grub"
    # What a trial must not touch: the default entry and its image.
    DEFAULT = ("boot/grub/grub.cfg", "boot/initrd.img-6.1.0-28-amd64")
    # Where gpufleet may change something.
    PLACES = ("etc", "boot")
    # The host's programs: what builds an image, looks into one, chooses once, changes the default entry.
    BUILD, LOOK, CHOOSE, COMMIT = "mkinitramfs", "unmkinitramfs", "grub-reboot", "update-grub"
    LOCK = "var/lib/dpkg/lock-frontend"
    NOVA = "nova-compute.service"

    def kernel_line(self, fleet):
        with open(fleet.path("gpu01", "root/proc/cmdline"), encoding="utf-8") as file:
            return file.read()

    def default_line(self, fleet):
        with open(fleet.path("gpu01", "root/boot/grub/grub.cfg"), encoding="utf-8") as file:
            return re.search(r"^\s+linux\s+(.*)$", file.read(), re.M).group(1)

    def grubenv(self, fleet):
        with open(fleet.path("gpu01", "root", self.GRUB, "grubenv"), encoding="utf-8") as file:
            return file.read()

    def marker(self, fleet):
        try:
            with open(fleet.path("gpu01", "root/var/lib/gpufleet/trial.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def everything(self, fleet):
        """What must be as it was: all of /etc and /boot but GRUB's environment block, and the services."""
        tree = fleet.tree("gpu01", *self.PLACES)
        del tree[self.GRUB + "/grubenv"]
        units = fleet.path("gpu01", "control/units")
        for name in os.listdir(units):
            with open(os.path.join(units, name), encoding="utf-8") as file:
                tree["unit " + name] = file.read()
        return tree

    def no_trace(self, fleet):
        """Nothing of a trial is left."""
        names = [name for name in fleet.tree("gpu01", "etc", "boot")
                 if any(word in name for word in ("gpufleet-restore", "gpufleet-confirm", "gpufleet-trial"))]
        self.assertEqual(names, [])
        self.assertNotRegex(self.grubenv(fleet), "next_entry=.")

    def became_default(self, fleet):
        """The declared state is in effect, and it is what every later boot brings."""
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertIn("iommu=pt", self.default_line(fleet))
        self.assertIsNone(self.marker(fleet))
        self.no_trace(fleet)
        self.expect(fleet.run("plan"), 0)
        boots = fleet.boots("gpu01")
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") > boots, 20, "one more boot")
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertNotIn("gpufleet.op", self.kernel_line(fleet))
        self.expect(fleet.run("plan"), 0)

    def test_the_default_gets_what_the_trial_had(self):
        """A file of the operator's own in the trial's image is in the default's, too, once it is committed."""
        fleet = self.fleet([self.STOCK])
        playbook = {"version": 1, "name": "quirk", "role": "compute", "stages": [{"name": "host", "reboot": "if-changed", "tasks": [
            {"type": "file", "name": "quirk", "path": "/etc/modprobe.d/quirk.conf", "content": "options snd_hda_intel power_save=0\n"},
            {"type": "initramfs", "name": "initramfs"}]}]}
        with open(os.path.join(fleet.state, "quirk.json"), "w", encoding="utf-8") as file:
            json.dump(playbook, file)
        fleet.inventory_change(lambda inventory: inventory.update(playbook="./quirk.json"))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertIsNone(self.marker(fleet))
        with tarfile.open(fleet.path("gpu01", "root", self.DEFAULT[-1])) as image:
            self.assertIn("quirk.conf", [os.path.basename(name) for name in image.getnames()])

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def test_trial_then_commit(self):
        """One reboot; the default entry and its image are untouched until the trial is proven."""
        fleet = self.fleet([dict(self.STOCK, files={self.GRUB + "/custom.cfg": CUSTOM})])
        stock = self.everything(fleet)
        self.assertIn("(trial boot, then commit)", self.expect(fleet.run("plan"), 2).out)
        fleet.fault("gpu01", "slow-" + self.COMMIT, "2")
        before = fleet.programs("gpu01").count(self.COMMIT)
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.programs("gpu01").count(self.COMMIT) > before, 90, "the commit")
        during = self.everything(fleet)
        for path in self.DEFAULT:
            self.assertEqual(stock[path], during[path], path)
        self.assertRegex(self.kernel_line(fleet), r"iommu=pt.* gpufleet\.op=\S+ .*panic=30")
        out, err = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertEqual(fleet.programs("gpu01").count(self.CHOOSE), 1)
        self.became_default(fleet)
        self.expect(fleet.run("rollback", "--yes"), 0)
        after = self.everything(fleet)
        self.assertEqual({name for name in stock if stock[name] != after.get(name)}, set())
        self.assertEqual(set(after), set(stock))

    def panic(self, arguments):
        fleet = self.fleet([self.STOCK], {"defaults": {"kernel_args": {"add": arguments}},
                                     "rollout": {"waves": ["100%"], "max_unavailable": 1, "max_failures": 1,
                                                 "boot_timeout": "8s", "confirm_timeout": "8s"}})
        return fleet, self.everything(fleet), fleet.drivers("gpu01")

    def test_panic_comes_back_by_itself(self):
        fleet, stock, drivers = self.panic(["rdinit=/nonexistent"])
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("the trial boot did not come up: the host is back on its former boot entry, files restored",
                      result.out + result.err)
        self.assertEqual(fleet.boots("gpu01"), 3)
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        self.assertEqual(self.marker(fleet)["state"], "reverted")
        events = fleet.path("gpu01", "root/var/lib/gpufleet/operations", self.marker(fleet)["operation"], "events.jsonl")
        with open(events, encoding="utf-8") as file:
            last = json.loads(file.read().splitlines()[-1])
        self.assertEqual((last["task"], last["status"]), ("restore", "changed"))
        fleet.inventory_change(lambda inventory: inventory["defaults"].update({"kernel_args": {}}))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_panic_until_the_power_cycle(self):
        fleet, stock, drivers = self.panic(["rdinit=/nonexistent", "panic=0"])
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("switch its power off and on: it then boots its former entry", result.out + result.err)
        self.assertNotEqual(self.everything(fleet), stock)
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 20, "the boot after the power cycle")
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        fleet.inventory_change(lambda inventory: inventory["defaults"].update({"kernel_args": {}}))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def cut(self, fault, settled=None):
        """The host loses its power at FAULT, under a controller that dies with it; the next apply completes."""
        fleet = self.fleet([self.STOCK])
        stock = self.everything(fleet)
        fleet.fault("gpu01", fault)
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: not os.path.exists(fleet.path("gpu01", "control/fault", fault)), 90, fault)
        self.kill(process)
        boots = 2 if settled is None else settled
        fleet.wait(lambda: fleet.boots("gpu01") == boots, 30, "the boot after the power cut")
        now = self.everything(fleet)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)
        return stock, now

    def test_cut_while_staging(self):
        stock, now = self.cut("die-at-" + self.BUILD)
        self.assertEqual(now, stock)

    def test_cut_before_the_one_time_choice(self):
        stock, now = self.cut("die-at-" + self.CHOOSE)
        self.assertEqual(now, stock)

    def test_cut_after_the_one_time_choice(self):
        """The next boot is the trial, with nobody there to prove it."""
        stock, now = self.cut("die-after-" + self.CHOOSE)
        self.assertEqual([now[path] for path in self.DEFAULT], [stock[path] for path in self.DEFAULT])

    def test_cut_in_the_commit_before_the_menu(self):
        self.cut_in_commit("die-at-" + self.COMMIT)

    def test_cut_in_the_commit_after_the_menu(self):
        self.cut_in_commit("die-at-update-initramfs")

    def cut_in_commit(self, fault):
        self.cut(fault, settled=3)

    def in_the_trial(self, fleet):
        """Waits until the trial runs and nothing is committed, with a controller that was killed by then."""
        fleet.fault("gpu01", "slow-" + self.LOOK, "1")
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 90, "the trial")
        self.kill(process)
        self.assertIn("gpufleet.op=", self.kernel_line(fleet))
        self.assertEqual(self.marker(fleet)["state"], "staged")

    def nova_compute(self, fleet):
        with open(fleet.path("gpu01", "control/units", self.NOVA), encoding="utf-8") as file:
            return file.read().split()[1]

    def test_nova_compute_waits_for_the_commit(self):
        """No instance lands on a host whose boot is on trial."""
        fleet = self.fleet([self.STOCK])
        self.assertEqual(self.nova_compute(fleet), "active")
        self.in_the_trial(fleet)
        self.assertEqual(self.nova_compute(fleet), "inactive")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertEqual(self.nova_compute(fleet), "active")
        self.became_default(fleet)
        self.assertEqual(self.nova_compute(fleet), "active")

    def test_nova_compute_is_back_after_a_trial(self):
        fleet = self.fleet([self.STOCK])
        self.in_the_trial(fleet)
        self.assertEqual(self.nova_compute(fleet), "inactive")
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 60, "the former entry")
        fleet.wait(lambda: self.nova_compute(fleet) == "active", 60, "nova-compute")
        self.no_trace(fleet)

    def test_cut_in_the_trial(self):
        fleet = self.fleet([self.STOCK])
        stock, drivers = self.everything(fleet), fleet.drivers("gpu01")
        self.in_the_trial(fleet)
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the boot after the power cut")
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_killed_controller_in_the_trial(self):
        """The trial goes on; plan and verify say so, and the next apply proves and commits it without a reboot."""
        fleet = self.fleet([self.STOCK])
        self.in_the_trial(fleet)
        self.assertIn("the trial boot runs", self.expect(fleet.run("plan"), 2).out)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.became_default(fleet)

    def test_rollback_of_a_trial(self):
        fleet = self.fleet([self.STOCK])
        stock, drivers = self.everything(fleet), fleet.drivers("gpu01")
        self.in_the_trial(fleet)
        self.expect(fleet.run("rollback", "--yes", "--purge"), 0)
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        self.assertFalse(os.path.exists(fleet.path("gpu01", "root/var/lib/gpufleet")))

    def test_rollback_of_a_later_run(self):
        """The trial of an earlier run stands, and so does what puts its files back."""
        fleet = self.fleet([self.STOCK])
        stock = self.everything(fleet)
        self.in_the_trial(fleet)
        playbook = {"version": 1, "name": "later", "role": "compute", "stages": [
            {"name": "note", "tasks": [{"type": "file", "name": "note", "path": "/etc/note", "content": "later\n"}]}]}
        with open(os.path.join(fleet.state, "later.json"), "w", encoding="utf-8") as file:
            json.dump(playbook, file)
        fleet.inventory_change(lambda inventory: inventory.update(playbook="./later.json"))
        # A run that fails would send the host back: this one is killed before it proves anything, and the rollback
        # finds its operation open.
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: os.path.exists(fleet.path("gpu01", "root/etc/note")), 60, "the later run's stage")
        self.kill(process)
        operations = sorted(os.listdir(fleet.path("gpu01", "root/var/lib/gpufleet/operations")))
        run = operations[-1].rsplit("-", 1)[0]
        result = self.expect(fleet.run("rollback", "--run", run, "--purge", "--yes"), 1)
        self.assertIn("--purge", result.err)
        self.expect(fleet.run("rollback", "--run", run, "--yes"), 0)
        self.assertNotIn("etc/note", self.everything(fleet))
        self.assertEqual(self.marker(fleet)["state"], "staged")
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the boot after the power cut")
        fleet.wait(lambda: (self.marker(fleet) or {}).get("cleaned"), 30, "the former files")
        self.assertEqual(self.everything(fleet), stock)

    def test_restart_under_a_living_controller(self):
        """The host restarts while its trial is being proven: said so, and the next apply begins again."""
        fleet = self.fleet([self.STOCK])
        fleet.fault("gpu01", "slow-systemctl", "1")
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 120, "the trial")
        fleet.request("gpu01", "power")
        out, err = process.communicate(timeout=120)
        os.unlink(fleet.path("gpu01", "control/fault/slow-systemctl"))
        self.assertEqual(process.returncode, 3, out + err)
        self.assertRegex(out + err, "(the trial boot did not come up|the host restarted before its trial was over)"
                                    ": the host is back on its former boot entry, files restored")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_failing_tool_puts_everything_back(self):
        for tool in (self.BUILD, self.CHOOSE):
            fleet = self.fleet([self.STOCK])
            stock = self.everything(fleet)
            fleet.fault("gpu01", "fail-" + tool)
            result = self.expect(fleet.run("apply", "--yes"), 3)
            self.assertIn("what the stage had changed was put back", result.out + result.err)
            self.assertEqual(self.everything(fleet), stock)
            self.assertIsNone(self.marker(fleet))
            self.assertEqual(fleet.boots("gpu01"), 1)
            fleet.close()

    def test_file_changed_by_hand_meanwhile(self):
        """A file that somebody changed after it was staged is theirs; the rest goes back."""
        fleet, stock, _ = self.panic(["rdinit=/nonexistent", "panic=0"])
        self.expect(fleet.run("apply", "--yes"), 2)
        path = "etc/modules-load.d/gpufleet-vfio-modules.conf"
        with open(fleet.path("gpu01", "root", path), "a", encoding="utf-8") as file:
            file.write("kvm\n")
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 20, "the boot after the power cycle")
        now = self.everything(fleet)
        self.assertIn(path, now)
        self.assertEqual({name: now[name] for name in stock}, stock)
        self.assertIn(path, self.marker(fleet)["message"])

    def test_keeps_the_promise_of_a_trial(self):
        """The plan said "trial boot"; when the host's turn comes, none is possible: it is not changed in place instead."""
        fleet = self.fleet([dict(self.STOCK, name=name) for name in ("gpu01", "gpu02")],
                           {"rollout": {"waves": ["100%"], "max_unavailable": 1, "max_failures": 0, "boot_timeout": "5m"}})
        before = fleet.tree("gpu02", "etc", "boot")
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: self.CHOOSE in fleet.programs("gpu01"), 90, "the one-time choice on gpu01")
        with open(fleet.path("gpu02", "control", "grub-fs"), "w", encoding="utf-8") as file:
            file.write("btrfs\n")
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 2, out + err)
        self.assertIn("now that is not possible (grubenv lies on btrfs", " ".join((out + err).split()))
        self.assertEqual(fleet.tree("gpu02", "etc", "boot"), before)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1})
        self.assertIn("(in place: grubenv lies on btrfs", self.expect(fleet.run("plan"), 2).out)
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})

    def test_cut_off_goes_back_by_itself(self):
        """The trial comes up without a network: the host's own timer ends it, and the run waits for that."""
        fleet, stock, drivers = self.panic(["modprobe.blacklist=virtio_net"])
        result = self.expect(fleet.run("apply", "--yes"), 2)
        out = " ".join((result.out + result.err).split())
        self.assertIn("failed: rolled back: its trial boot was not reached and proven within rollout.confirm_timeout, so it went "
                      "back by itself: the host is back on its former boot entry, files restored. `apply` tries again", out)
        self.assertEqual(fleet.boots("gpu01"), 3)
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        self.assertIn("was not confirmed in time; the former files are back", self.marker(fleet)["message"])
        fleet.inventory_change(lambda inventory: inventory["defaults"].update({"kernel_args": {}}))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_cut_off_with_nobody_there(self):
        """The same while the controller is dead; the next apply finds the host as it was."""
        fleet, stock, drivers = self.panic(["modprobe.blacklist=virtio_net"])
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 90, "the trial boot")
        self.kill(process)
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the host's return")
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)
        fleet.inventory_change(lambda inventory: inventory["defaults"].update({"kernel_args": {}}))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.became_default(fleet)

    def test_without_its_devices_is_sent_back(self):
        """The trial comes up and is not as wanted: the run sends the host back at once."""
        fleet, stock, drivers = self.panic(["module_blacklist=vfio_pci"])
        result = self.expect(fleet.run("apply", "--yes"), 2)
        out = " ".join((result.out + result.err).split())
        self.assertRegex(out, "failed: rolled back: .*: the host is back on its former boot entry, files restored. `apply` tries again")
        self.assertEqual(fleet.boots("gpu01"), 3)
        self.assertEqual(self.everything(fleet), stock)
        self.assertEqual(fleet.drivers("gpu01"), drivers)

    def test_nobody_else_takes_a_trial(self):
        """A controller with another store is kept off by the lease, so the trial stays unconfirmed, and goes back in its time."""
        fleet, stock, _ = self.panic([])
        fleet.fault("gpu01", "slow-" + self.COMMIT, "2")
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 90, "the trial boot")
        self.kill(process)
        store, fleet.store = fleet.store, fleet.store + ".other"
        # The lease of the dead run is live for half an hour: nobody else may touch the host meanwhile.
        result = fleet.run("apply", "--yes")
        self.assertNotEqual(result.status, 0, str(result))
        fleet.store = store
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 30, "the host's return")
        self.assertEqual(self.everything(fleet), stock)

    def test_where_a_trial_is_not_possible(self):
        for name, text, why in (("grub-abstraction", "lvm\n", "grubenv lies on LVM"),
                                ("grub-abstraction", "diskfilter mdraid1x\n", "grubenv lies on RAID"),
                                ("grub-fs", "btrfs\n", "grubenv lies on btrfs")):
            fleet = self.fleet([self.STOCK])
            with open(fleet.path("gpu01", "control", name), "w", encoding="utf-8") as file:
                file.write(text)
            self.assertIn("(in place: " + why, self.expect(fleet.run("plan"), 2).out)
            self.expect(fleet.run("apply", "--yes"), 0)
            self.assertNotIn(self.CHOOSE, fleet.programs("gpu01"))
            self.assertEqual(fleet.boots("gpu01"), 2)
            self.became_default(fleet)
            fleet.close()

    def test_waits_for_the_package_manager(self):
        fleet = self.fleet([dict(self.STOCK, files={self.LOCK: ""})])
        with open(fleet.path("gpu01", "root", self.LOCK), "r+", encoding="utf-8") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            before = fleet.programs("gpu01").count(self.BUILD)
            process = fleet.start("apply", "--yes")
            time.sleep(6)
            self.assertEqual(fleet.programs("gpu01").count(self.BUILD), before)
            fcntl.lockf(lock, fcntl.LOCK_UN)
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, out + err)
        self.became_default(fleet)


if __name__ == "__main__":
    main()
