"""Hosts that can't be reached, or aren't who they were: each with its own message and exit status, and nothing changed."""

import os

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

    def ssh_config(self, fleet, text):
        path = os.path.join(fleet.directory, ".ssh/config")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def test_ssh_config(self):
        """Nothing but names in the inventory: where and how is in ~/.ssh/config."""
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "control"}])
        config = []

        def move(inventory):
            defaults = inventory.pop("defaults")
            for name, own in inventory.pop("hosts").items():
                config.append(f"Host {name}\n  HostName {own['address']}\n  Port {own['port']}\n")
            config.append(f"Host gpu*\n  User {defaults['user']}\n  IdentityFile {defaults['identity_file']}\n"
                          f"  UserKnownHostsFile {defaults['known_hosts']}\n")

        fleet.inventory_change(move)
        self.ssh_config(fleet, "".join(config))
        self.expect(fleet.run("exec", "--", "true"), 0)
        hosts = {event["host"]: event for event in self.expect(fleet.run("check", "--json"), 0).events()}
        self.assertEqual(hosts["gpu02"]["address"], "127.0.0.1", hosts)
        self.ssh_config(fleet, "Host gpu02\n  CertificateFile ~/.ssh/c\n" + "".join(config))
        result = self.expect(fleet.run("exec", "--", "true"), 0)
        self.assertIn(".ssh/config:2: CertificateFile is left out", result.err)
        self.assertIn("(gpu02)", result.err)
        self.ssh_config(fleet, "Host gpu02\n  ProxyCommand nc %h %p\n" + "".join(config))
        self.assertIn("/.ssh/config:2:3: ProxyCommand applies to gpu02", self.expect(fleet.run("scan"), 1).err)
        self.expect(fleet.run("exec", "--limit", "gpu01", "--", "true"), 0)
        self.ssh_config(fleet, "Host gpu02\n  Porrt 22\n")
        self.assertIn("did you mean Port?", self.expect(fleet.run("check"), 1).err)


if __name__ == "__main__":
    main()
