"""Hosts that can't be reached, or aren't who they were: each with its own message and exit status, and nothing changed."""

from harness import CARDS, Case, main

KIND = "intel-nvidia"


class Connection(Case):
    def one(self, faults, **options):
        return self.fleet([dict({"name": "gpu01", "kind": KIND, "faults": faults}, **options)])

    def test_refused(self):
        result = self.expect(self.one({"refuse": True}).run("scan"), 4)
        self.assertIn("refused", (result.out + result.err).lower())

    def test_one_of_two_unreachable(self):
        fleet = self.fleet([{"name": "gpu01", "kind": KIND}, {"name": "gpu02", "kind": KIND, "faults": {"refuse": True}}],
                           {"rollout": {"waves": ["100%"], "max_unavailable": 2, "max_failures": 1}})
        self.expect(fleet.run("scan"), 4)
        self.expect(fleet.run("apply", "--yes"), 4)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        hosts = {host["name"]: host for host in self.report(fleet)["hosts"]}
        self.assertEqual((hosts["gpu01"]["verdict"], hosts["gpu02"]["verdict"], hosts["gpu02"]["reachable"]),
                         ("ready", "unknown", False))

    def test_down_outside_the_limit_takes_a_slot(self):
        fleet = self.fleet([{"name": "gpu01", "kind": KIND}, {"name": "gpu02", "kind": KIND, "faults": {"refuse": True}}],
                           {"rollout": {"waves": ["100%"], "max_unavailable": 1, "max_failures": 0}})
        self.expect(fleet.run("scan"), 4)
        before = fleet.tree("gpu01", "etc", "boot")
        result = self.expect(fleet.run("apply", "--limit", "gpu01", "--yes"), 3)
        self.assertIn("max_unavailable", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)

    def test_hang(self):
        result = self.expect(self.one({"hang": True}).run("scan", "--timeout", "3", timeout=90), 4)
        self.assertIn("gpu01", result.out + result.err)

    def test_wrong_key(self):
        result = self.expect(self.one({"deny_auth": True}).run("scan"), 4)
        self.assertIn("key", (result.out + result.err).lower())

    def test_changed_host_key(self):
        result = self.expect(self.one({"change_host_key": True}).run("scan"), 4)
        self.assertIn("host key", (result.out + result.err).lower())

    def test_host_key_changed_over_the_reboot(self):
        """The host that comes back isn't proven to be the one that went down."""
        fleet = self.one({"change_key_after_reboot": True})
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("host key", (result.out + result.err).lower())

    def test_cut_while_the_agent_is_pushed(self):
        """The connection drops early on; the same command works the next time."""
        fleet = self.one({})
        fleet.fault("gpu01", "cut-after", "10")
        first = fleet.run("scan")
        self.assertIn(first.status, (0, 4), str(first))
        self.expect(fleet.run("scan"), 0)

    def test_slow_link(self):
        self.expect(self.one({"bytes_per_second": 200000}).run("scan"), 0)

    def test_missing_sudo(self):
        fleet = self.one({}, standin_faults={"no-sudo": ""})
        fleet.inventory_change(lambda inventory: inventory["defaults"].update(become="sudo"))
        before = fleet.tree("gpu01", "etc", "boot")
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("sudo", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)

    def test_sudo(self):
        fleet = self.one({})
        fleet.inventory_change(lambda inventory: inventory["defaults"].update(become="sudo"))
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)


if __name__ == "__main__":
    main()
