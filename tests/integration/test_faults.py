"""One host of three meets with a fault: its verdict and the exit status, the other two done, and what the same command makes
of it once the fault is gone. And connections that are cut after every so many bytes.

What each fault does to the host itself is told by test_trial.py, test_interruption.py, test_cards.py and test_connection.py.
"""

import json
import os
import subprocess
import threading
import time
import unittest

from harness import BUILD, CARDS, Case, main

FAULTY, OTHERS = "gpu02", ("gpu01", "gpu03")
PATIENCE = {"waves": ["100%"], "max_unavailable": 3, "max_failures": 1, "boot_timeout": "10s", "confirm_timeout": "10s"}


def verdicts(result):
    """{host: (verdict, why)} of a --json run."""
    return {event["host"]: (event["status"], event["message"]) for event in result.events() if event["event"] == "finished"}


class Three(Case):
    def three(self, faults=None):
        hosts = [{"name": name, "kind": "intel-nvidia"} for name in ("gpu01", FAULTY, "gpu03")]
        hosts[1]["faults"] = faults or {}
        return self.fleet(hosts, {"rollout": PATIENCE})

    def arguments(self, fleet, *add):
        """Kernel arguments of the faulty host alone."""
        fleet.inventory_change(lambda inventory: inventory["hosts"][FAULTY].update(kernel_args={"add": list(add)}))

    def meets(self, fleet, status, verdict, why):
        """The run with the fault."""
        result = self.expect(fleet.run("apply", "--yes", "--json"), status)
        found = verdicts(result)
        self.assertEqual(found[FAULTY][0], verdict, str(result))
        self.assertRegex(found[FAULTY][1], why)
        for name in OTHERS:
            self.assertEqual(found[name][0], "done", str(result))
            self.assertEqual(fleet.on_vfio(name), CARDS)
            self.assertEqual(fleet.boots(name), 2)

    def goes_on(self, fleet, boots):
        """The same command, the fault being gone: everything as declared, and the others left alone."""
        found = verdicts(self.expect(fleet.run("apply", "--yes", "--json"), 0))
        self.assertEqual({name: verdict for name, (verdict, _) in found.items()}, dict.fromkeys(fleet.names, "done"))
        self.assertEqual({name: fleet.on_vfio(name) for name in fleet.names}, dict.fromkeys(fleet.names, CARDS))
        self.assertEqual(fleet.boots(), {FAULTY: boots, **dict.fromkeys(OTHERS, 2)})
        self.expect(fleet.run("plan"), 0)

    def test_never_back(self):
        """A boot that hangs: no console, no network, until somebody switches the power off and on."""
        fleet = self.three()
        self.arguments(fleet, "rdinit=/nonexistent", "panic=0")
        self.meets(fleet, 2, "failed", "did not come back within .* after the reboot")
        self.arguments(fleet)
        fleet.request(FAULTY, "power")
        fleet.wait(lambda: fleet.boots(FAULTY) == 3, 60, "the boot after the power cycle")
        self.goes_on(fleet, 4)

    def test_without_the_device(self):
        fleet = self.three()
        self.arguments(fleet, "module_blacklist=vfio_pci")
        self.meets(fleet, 2, "failed", "^rolled back: .*: the host is back on its former boot entry, files restored")
        self.assertEqual(fleet.boots(FAULTY), 3)
        self.arguments(fleet)
        self.goes_on(fleet, 4)

    def test_unreachable_after_the_boot(self):
        fleet = self.three()
        self.arguments(fleet, "modprobe.blacklist=virtio_net")
        self.meets(fleet, 2, "failed", "^rolled back: its trial boot was not reached and proven within rollout.confirm_timeout")
        self.assertEqual(fleet.boots(FAULTY), 3)
        self.arguments(fleet)
        self.goes_on(fleet, 4)

    def accept_key(self, fleet, name):
        """As an operator does who has made sure of it."""
        with open(fleet.path(name, "host_key.pub"), encoding="utf-8") as file:
            key = file.read()
        with open(fleet.inventory, encoding="utf-8") as file:
            port = json.load(file)["hosts"][name]["port"]
        known = os.path.join(fleet.state, "known_hosts")
        with open(known, encoding="utf-8") as file:
            lines = [line for line in file if f"]:{port} " not in line]
        with open(known, "w", encoding="utf-8") as file:
            file.writelines(lines + [f"[127.0.0.1]:{port} {key}\n"])

    def test_host_key_changed_by_the_reboot(self):
        """Nobody proves the trial of a host that may be another one: it goes back by itself, and the next run begins anew."""
        fleet = self.three({"change_key_after_reboot": True})
        self.meets(fleet, 2, "failed", "^(?!it did not come back).*host key")
        fleet.wait(lambda: fleet.boots(FAULTY) == 3, 60, "the trial's own end")
        result = self.expect(fleet.run("apply", "--yes", "--json"), 2)
        self.assertRegex(verdicts(result)[FAULTY][1], "host key")
        self.assertEqual(fleet.boots(FAULTY), 3)
        self.accept_key(fleet, FAULTY)
        self.goes_on(fleet, 4)

    def inside(self, fleet, script):
        """In the simulator's own mount namespace, which it has where a disk is to be full."""
        return subprocess.run(["nsenter", "--mount", f"--target={fleet.process.pid}", "sh", "-ec", script], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    @unittest.skipUnless(os.geteuid() == 0, "mounts need root")
    def test_boot_full(self):
        """Said before anything is changed, so it is not a failure."""
        fleet = self.three({"no_space": True})
        before = fleet.tree(FAULTY, "etc")
        self.meets(fleet, 2, "blocked", "/boot has")
        self.assertEqual(fleet.tree(FAULTY, "etc"), before)
        self.assertEqual(fleet.boots(FAULTY), 1)
        self.inside(fleet, f"mount -o remount,size=64m {fleet.path(FAULTY, 'root/boot')}")
        self.goes_on(fleet, 2)

    @unittest.skipUnless(os.geteuid() == 0, "mounts need root")
    def test_etc_full(self):
        """The disk is full in the middle of the stage: what it had written is taken back."""
        fleet = self.three({"read_only_etc": True})
        etc = fleet.path(FAULTY, "root/etc")
        self.inside(fleet, f"umount {etc}; cp -a {etc} {etc}.was; mount -t tmpfs -o size=4m,mode=755 none {etc}; cp -a {etc}.was/. {etc}; "
                    f"cat /dev/zero >{etc}/filler 2>/dev/null || truncate --size=-24K {etc}/filler")
        before = self.inside(fleet, f"cd {etc} && find . -type f -exec sha256sum '{{}}' + | sort")
        self.meets(fleet, 2, "failed", "No space left on device.*what the stage had changed was put back")
        self.assertEqual(self.inside(fleet, f"cd {etc} && find . -type f -exec sha256sum '{{}}' + | sort"), before)
        self.assertEqual(fleet.boots(FAULTY), 1)
        self.inside(fleet, f"rm {etc}/filler")
        self.goes_on(fleet, 2)


class Tail:
    """Reads what a process says, so that it never waits for a reader."""

    def __init__(self, process):
        self.parts = []
        self.threads = [threading.Thread(target=self.read, args=(stream,)) for stream in (process.stdout, process.stderr)]
        for thread in self.threads:
            thread.start()

    def read(self, stream):
        with stream:
            self.parts.append(stream.read())

    def text(self):
        for thread in self.threads:
            thread.join()
        return "\n".join(self.parts)


class Cut(Case):
    # Output of the agent: from its first byte to more than the longest conversation has.
    LENGTHS = [1, 2, 3, 5, 8, 13, 21, 40, 80, 130, 190, 260, 400, 700, 1100, 1700, 2600, 4000, 6000, 9000, 14000, 22000, 34000, 52000]

    def fleet_of_lengths(self):
        names = ["gpu%02d" % (index + 1) for index in range(len(self.LENGTHS) + 1)]
        fleet = self.fleet([{"name": "gpu", "count": len(names), "kind": "intel-nvidia"}],
                           {"groups": {"c": {"role": "compute", "hosts": names}},
                            "rollout": {"waves": [1, "100%"], "max_unavailable": len(names), "max_failures": 0, "boot_timeout": "5m"}},
                           scenario={"agent_bundle": os.path.join(BUILD, "gpufleet-agent.tar.gz")})
        return fleet, dict(zip(names[1:], self.LENGTHS))

    def cuts(self, fleet, name):
        try:
            with open(fleet.path(name, "control/cuts"), encoding="utf-8") as file:
                return [int(line) for line in file]
        except FileNotFoundError:
            return []

    def test_cut_while_it_looks(self):
        """A scan tries again."""
        fleet, lengths = self.fleet_of_lengths()
        for name, length in lengths.items():
            fleet.fault(name, "cut-after", str(length))
        self.expect(fleet.run("scan"), 0)
        cut = [length for name, length in lengths.items() if self.cuts(fleet, name) == [length]]
        print(f"cut after {cut} bytes, not after {[length for length in self.LENGTHS if length not in cut]}")
        self.assertEqual(cut, self.LENGTHS[:len(cut)])
        self.assertGreater(len(cut), 12)
        totals = self.report(fleet)["totals"]
        self.assertEqual((totals["hosts"], totals["pending"]), (len(fleet.names), 2 * len(fleet.names)))

    def test_always_while_it_looks(self):
        """A host that is cut off however often it is tried is unreachable; the others are done."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia", "faults": {"cut_after": 300, "cut_times": 99}},
                            {"name": "gpu02", "kind": "intel-nvidia"}], {"rollout": PATIENCE})
        result = self.expect(fleet.run("apply", "--yes", "--json"), 4)
        self.assertEqual({name: verdict for name, (verdict, _) in verdicts(result).items()},
                         {"gpu01": "unreachable", "gpu02": "done"})
        self.assertEqual(self.cuts(fleet, "gpu01"), [300] * 3)
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 2})

    def test_cut_while_it_acts(self):
        """Each host is cut off twice while it acts, and once more after its reboot: everything is done once all the same."""
        fleet, lengths = self.fleet_of_lengths()
        fleet.fault("gpu01", "slow-mkinitramfs", "2")
        left = {name: [length, length * 3 // 2] for name, length in lengths.items()}
        process = fleet.start("apply", "--yes")
        out = Tail(process)
        # The first wave is gpu01: by then the others have been looked at, and have no connection.
        fleet.wait(lambda: fleet.programs("gpu01").count("mkinitramfs") == 2, 120, "the first wave's stage")
        rebooted = set()
        while process.poll() is None:
            for name, more in left.items():
                if name not in rebooted and fleet.boots(name) > 1:
                    rebooted.add(name)
                    more.append(lengths[name])
                if more and not os.path.exists(fleet.path(name, "control/fault/cut-after")):
                    fleet.fault(name, "cut-after", str(more.pop(0)))
            time.sleep(0.02)
        self.assertEqual(process.returncode, 0, out.text())
        counts = [len(self.cuts(fleet, name)) for name in lengths]
        print(f"connections cut while they acted, from the shortest to the longest: {counts}")
        self.assertGreater(sum(counts), 2 * len(lengths))
        for name in fleet.names:
            programs = fleet.programs(name)
            self.assertEqual(fleet.on_vfio(name), CARDS)
            self.assertEqual((fleet.boots(name), programs.count("grub-reboot"), programs.count("update-grub")), (2, 1, 2), name)
        self.expect(fleet.run("plan"), 0)


if __name__ == "__main__":
    main()
