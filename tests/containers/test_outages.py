#!/usr/bin/env python3
"""The judge of the container bed finds what it is there for: no host is down in these tests but on paper."""

import json
import unittest

from outages import Host, limits_broken, most_at_once, reboots_broken, waves_broken

UP, DOWN = "Server listening on 0.0.0.0 port 22.", "Received signal 15; terminating."


def host(name, domain, *changes):
    """changes: (second, message); each "listening" is of another boot, and is said twice, as sshd does."""
    lines, boot = [], 0
    for at, message in ((0, UP),) + changes:
        boot += message == UP
        for text in (message, "Server listening on :: port 22.")[:1 + (message == UP)]:
            lines.append(json.dumps({"MESSAGE": text, "_BOOT_ID": f"{name}-{boot}", "__REALTIME_TIMESTAMP": "1",
                                     "_SOURCE_REALTIME_TIMESTAMP": str(int(at * 1e6) + lines.__len__())}))
    return Host(name, domain, lines)


def rebooted(name, domain, down, up):
    return host(name, domain, (down, DOWN), (up, UP))


class Outages(unittest.TestCase):
    def broken(self, hosts, most=2, per_domain=1):
        return list(limits_broken(hosts, 1, 100, most, per_domain))

    def test_one_after_the_other_is_one_at_once(self):
        hosts = [rebooted("a", "r1", 10, 20), rebooted("b", "r1", 21, 30)]
        self.assertEqual(most_at_once(hosts, 1, 100)[0], 1)
        self.assertEqual(self.broken(hosts, 1), [])

    def test_a_moment_together_is_two_at_once(self):
        hosts = [rebooted("a", "r1", 10, 20), rebooted("b", "r2", 19.999, 30)]
        self.assertEqual(most_at_once(hosts, 1, 100)[2], ("a", "b"))
        self.assertEqual(self.broken(hosts), [])
        self.assertIn("2 hosts were down at once at ", self.broken(hosts, 1)[0])

    def test_two_in_a_domain(self):
        hosts = [rebooted("a", "r1", 10, 20), rebooted("b", "r1", 15, 30)]
        self.assertIn("2 hosts were down at once in r1", self.broken(hosts)[0])

    def test_a_third(self):
        hosts = [rebooted(name, name, 10 + i, 20 + i) for i, name in enumerate("abc")]
        self.assertEqual(len(self.broken(hosts)), 1)
        self.assertIn("a b c", self.broken(hosts)[0])

    def test_one_that_was_down_before_counts(self):
        """Never up, or down since before the time that is looked at."""
        for absent in (Host("a", "r1"), host("a", "r1", (0.5, DOWN))):
            hosts = [absent, rebooted("b", "r1", 10, 20), rebooted("c", "r2", 15, 30)]
            self.assertEqual(len(self.broken(hosts)), 2)
            self.assertEqual(self.broken([absent, rebooted("c", "r2", 15, 30)]), [])

    def test_one_that_stays_down_counts_to_the_end(self):
        hosts = [host("a", "r1", (10, DOWN)), rebooted("b", "r1", 90, 95)]
        self.assertIn("in r1", self.broken(hosts)[0])

    def test_waves(self):
        hosts = [rebooted("a", "r1", 10, 20), rebooted("b", "r2", 30, 40), rebooted("c", "r3", 35, 45)]
        self.assertEqual(list(waves_broken(hosts, 1, 100, [1, 3])), [])
        self.assertIn("c went down", list(waves_broken(hosts, 1, 100, [1, 2, 3]))[0])

    def test_reboots(self):
        hosts = [rebooted("a", "r1", 10, 20), host("b", "r1"), host("c", "r1", (10, DOWN), (12, UP), (20, DOWN), (22, UP))]
        self.assertEqual(list(reboots_broken(hosts, 1, 100, [])), ["b booted 0 times instead of 1", "c booted 2 times instead of 1"])
        self.assertEqual(list(reboots_broken(hosts[1:2], 1, 100, ["b"])), [])


if __name__ == "__main__":
    unittest.main()
