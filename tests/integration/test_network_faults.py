"""Faults of the network and of a real sshd, each host in a network namespace of its own."""

import json
import signal
import subprocess
import threading
import unittest

import own_network
from harness import CARDS, Case, main
from own_network import Host, lead_through


class Events:
    """What a running gpufleet --json says, as it says it."""

    def __init__(self, process):
        self.process, self.seen, self.errors = process, [], []
        self.threads = [threading.Thread(target=self.read), threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()

    def read(self):
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def read_errors(self):
        self.errors.append(self.process.stderr.read())

    def said(self, host, event, *status):
        return [one for one in list(self.seen) if one["host"] == host and one["event"] == event and (not status or one["status"] in status)]

    def story(self):
        return "\n".join([*(f"{one['time']} {one['host']} {one['status']} {one['message']}" for one in self.seen), *self.errors])

    def end(self, seconds=300):
        """Its exit status; -9 when it had to be killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.process.returncode


@unittest.skipUnless(own_network.POSSIBLE, "needs root, and openssh-server")
class NetworkFaults(Case):
    def hosts(self, count, **rollout):
        names = ["gpu%02d" % (index + 1) for index in range(count)]
        fleet = self.fleet([{"name": "gpu", "count": count, "kind": "intel-nvidia"}], {"rollout": {
            "waves": ["100%"], "max_unavailable": count, "max_failures": 0, "boot_timeout": "5m", "confirm_timeout": "5m", **rollout}})
        hosts = {}
        for index, name in enumerate(names):
            hosts[name] = Host(fleet, name, index + 1)
            self.addCleanup(hosts[name].close)
        return fleet, hosts

    def test_in_the_middle_of_the_work(self):
        """Each in its own way, hosts are lost while they build an image. The one that is not is done before any other is
        back; each lost one is noticed, followed up when it is there again, and nothing is done twice."""
        fleet, hosts = self.hosts(6)
        reset = lead_through(fleet, "gpu04", hosts["gpu04"])
        self.addCleanup(reset.close)
        faults = {"gpu02": hosts["gpu02"].vanishes_from_the_net, "gpu03": hosts["gpu03"].unplug, "gpu04": reset.reset,
                  "gpu05": lambda: hosts["gpu05"].signal(signal.SIGSTOP),
                  "gpu06": lambda: hosts["gpu06"].signal(signal.SIGSTOP, sessions_only=True)}
        for name in faults:
            fleet.fault(name, "slow-mkinitramfs", "8")
        process = fleet.start("apply", "--yes", "--json")
        events = Events(process)
        self.addCleanup(process.kill)
        struck = set()

        def strike():
            for name, fault in faults.items():
                if name not in struck and fleet.programs(name).count("mkinitramfs") == 2:
                    fault()
                    struck.add(name)
            return len(struck) == len(faults) or process.poll() is not None

        fleet.wait(strike, 120, "the hosts' stages")
        fleet.wait(lambda: events.said("gpu01", "finished"), 120, "the host without a fault")
        self.assertEqual([name for name in ("gpu02", "gpu03", "gpu05") if events.said(name, "finished")], [])
        for name in faults:
            fleet.wait(lambda name=name: events.said(name, "state", "reconnecting"), 120, f"{name} to be given up")
        hosts["gpu02"].answers()
        hosts["gpu03"].plug()
        hosts["gpu05"].signal(signal.SIGCONT)
        status = events.end()
        finished = {name: [event["status"] for event in events.said(name, "finished")] for name in fleet.names}
        self.assertEqual((status, finished), (0, dict.fromkeys(fleet.names, ["done"])), events.story())
        for name in fleet.names:
            programs = fleet.programs(name)
            self.assertEqual(fleet.on_vfio(name), CARDS)
            self.assertEqual((fleet.boots(name), programs.count("grub-reboot"), programs.count("update-grub")), (2, 1, 2), name)
        hosts["gpu06"].signal(signal.SIGCONT)

    def test_before_anything_begins(self):
        """A black hole, a stopped sshd, a wire that is gone, RST for every connection: unreachable, and the rest is done."""
        fleet, hosts = self.hosts(5, max_failures=1)
        hosts["gpu02"].vanishes_from_the_net()
        hosts["gpu03"].signal(signal.SIGSTOP)
        own_network.ip("link set wire4 down")
        proxy = lead_through(fleet, "gpu05", hosts["gpu05"], count=4000, times=99)
        self.addCleanup(proxy.close)
        events = Events(fleet.start("apply", "--yes", "--json", "--timeout", "30"))
        status = events.end()
        finished = {name: [event["status"] for event in events.said(name, "finished")] for name in fleet.names}
        self.assertEqual((status, finished), (4, {"gpu01": ["done"], **dict.fromkeys(fleet.names[1:], ["unreachable"])}), events.story())
        self.assertEqual(fleet.boots(), {"gpu01": 2, **dict.fromkeys(fleet.names[1:], 1)})
        for name in fleet.names[1:]:
            print(name, events.said(name, "finished")[0]["message"])
        hosts["gpu02"].answers()
        hosts["gpu03"].signal(signal.SIGCONT)
        own_network.ip("link set wire4 up")
        proxy.left = 0
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots(), dict.fromkeys(fleet.names, 2))

    def test_cut_after_every_so_many_bytes(self):
        """Of both directions, from the first byte of the greeting on, the transfer of the agent included."""
        lengths = [1, 30, 300, 1200, 1900, 2600, 3300, 4000, 9000, 70000, 700000, 3000000]
        fleet, hosts = self.hosts(len(lengths))
        proxies = {}
        for index, (name, length) in enumerate(zip(fleet.names, lengths)):
            proxies[name] = lead_through(fleet, name, hosts[name], count=length, rst=index % 2 == 0)
            self.addCleanup(proxies[name].close)
        self.expect(fleet.run("scan"), 0)
        cut = [length for name, length in zip(fleet.names, lengths) if proxies[name].cuts]
        print(f"cut after {cut} bytes")
        self.assertGreater(len(cut), 8)
        self.assertEqual(self.report(fleet)["totals"]["pending"], 2 * len(lengths))


    def test_cut_anywhere_on_the_way_to_a_command(self):
        """Many names of one host, each cut elsewhere. Until the login it is tried again; after that `exec` does not know what
        was begun, and says at once that the connection was lost: nobody waits for a deadline."""
        for rst in (True, False):
            fleet, hosts = self.hosts(1)
            host = hosts["gpu01"]
            names = {"n%04d" % length: length for length in range(1, 5000, 61)}
            fleet.inventory_change(lambda inventory, names=names: inventory.update(
                groups={"computes": {"role": "compute", "hosts": list(names)}}, hosts={name: {} for name in names}))
            proxies = {name: lead_through(fleet, name, host, count=length, rst=rst) for name, length in names.items()}
            result = self.expect(fleet.run("exec", "--json", "--forks", "16", "--", "true"), 4)
            found = {event["host"]: event for event in result.events() if event["host"]}
            lost = {name: event["message"] for name, event in found.items() if event["status"] == "unreachable"}
            print(f"{len(names)} connections, {sum(proxy.cuts for proxy in proxies.values())} cut, {len(lost)} hosts given up")
            self.assertEqual({event["status"] for name, event in found.items() if name not in lost}, {"ok"})
            for name, message in lost.items():
                self.assertRegex(message, "was lost while (opening a channel|(starting|running) the command)", name)
            self.assertGreater(len(lost), 4)
            self.assertGreater(sum(proxies[name].cuts for name in names if name not in lost), 10)
            for proxy in proxies.values():
                proxy.close()
            host.close()
            fleet.close()


if __name__ == "__main__":
    own_network.enter()
    main()
