"""Nova beside the cards: compute hosts are told of their cards once those are ready, then the control plane."""

import os

from harness import NVIDIA, Case, main

SECRET = "not-a-real-password"
CONF = "root/etc/nova/nova.conf"
SPEC = 'device_spec = {"vendor_id":"10de","product_id":"1b06"}'
ALIAS = 'alias = {"name":"nvidia1080","vendor_id":"10de","product_id":"1b06","device_type":"type-PCI"}'
FILTERS = ("enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,"
           "ServerGroupAffinityFilter,PciPassthroughFilter")


class Nova(Case):
    def nova_fleet(self, computes=1, controls=1, **inventory):
        hosts = [{"name": f"gpu{n + 1:02d}", "kind": "intel-nova"} for n in range(computes)]
        hosts += [{"name": f"ctl{n + 1}", "kind": "control-nova"} for n in range(controls)]
        groups = {}
        if computes:
            groups["computes"] = {"role": "compute", "hosts": [host["name"] for host in hosts[:computes]]}
        if controls:
            groups["control"] = {"role": "control", "hosts": [host["name"] for host in hosts[computes:]]}
        return self.fleet(hosts, {"groups": groups, **inventory})

    def text(self, fleet, host, path=CONF):
        with open(fleet.path(host, path), encoding="utf-8") as file:
            return file.read()

    def add(self, fleet, host, after, line, path=CONF):
        text = self.text(fleet, host, path)
        self.assertIn(after + "\n", text)
        with open(fleet.path(host, path), "w", encoding="utf-8") as file:
            file.write(text.replace(after + "\n", f"{after}\n{line}\n", 1))

    def failed_checks(self, fleet, host):
        """{id: all evidence}"""
        failed = {}
        for entry in self.report(fleet)["hosts"]:
            for check in entry["checks"]:
                if entry["name"] == host and check["status"] == "fail" and check["id"].startswith("nova."):
                    failed[check["id"]] = failed.get(check["id"], "") + check["evidence"] + "\n"
        return failed

    def test_there_and_back(self):
        fleet = self.nova_fleet(2, 2)
        stock = {name: fleet.tree(name, "etc") for name in fleet.names}
        plan = self.expect(fleet.run("plan", "-v"), 2)
        for line in (SPEC, ALIAS, FILTERS, "stage nova\n", "stage nova-control\n"):
            self.assertIn(line, plan.out)
        self.assertEqual(stock, {name: fleet.tree(name, "etc") for name in fleet.names})
        result = self.expect(fleet.run("apply", "--yes", "-v", timeout=400), 0)
        self.assertIn("4 changed, 2 rebooted", result.out)
        # The computes are at their end before a control host begins, and those go one at a time.
        lines = result.out.splitlines()
        at = {what: next(i for i, line in enumerate(lines) if what in line)
              for what in ("gpu01: done", "gpu02: done", "ctl1: applying", "ctl1: done", "ctl2: applying")}
        self.assertLess(max(at["gpu01: done"], at["gpu02: done"]), at["ctl1: applying"])
        self.assertLess(at["ctl1: done"], at["ctl2: applying"])
        for name in ("gpu01", "gpu02"):
            self.assertIn(SPEC + "\n", self.text(fleet, name))
            self.assertIn(ALIAS + "\n", self.text(fleet, name))
            self.assertEqual(fleet.boots(name), 2)
        for name in ("ctl1", "ctl2"):
            self.assertIn(ALIAS + "\n", self.text(fleet, name))
            self.assertIn(FILTERS + "\n", self.text(fleet, name))
            self.assertEqual(fleet.boots(name), 1)
            self.assertEqual(self.failed_checks(fleet, name), {})
        self.assertEqual(self.failed_checks(fleet, "gpu01"), {})
        pids = {name: self.pids(fleet, name) for name in fleet.names}
        result = self.expect(fleet.run("apply", "--yes"), 0)
        self.assertIn("0 changed", result.out)
        self.assertEqual(pids, {name: self.pids(fleet, name) for name in fleet.names}, "a service was restarted for nothing")
        self.expect(fleet.run("verify"), 0)
        self.expect(fleet.run("rollback", "--yes", timeout=400), 0)
        self.assertEqual(stock, {name: fleet.tree(name, "etc") for name in fleet.names})
        self.assertEqual(fleet.boots("ctl1"), 1)

    def pids(self, fleet, host):
        directory = fleet.path(host, "control/pids")
        return {unit: self.text(fleet, host, os.path.join("control/pids", unit)).strip() for unit in os.listdir(directory)}

    def test_only_what_is_told_restarts(self):
        """The conductor reads the same file, and has no part in it; and no secret leaves the host."""
        fleet = self.nova_fleet(1, 1)
        before = self.pids(fleet, "ctl1")
        results = [self.expect(fleet.run("plan", "-v", "--json"), 2), self.expect(fleet.run("apply", "--yes", "-v", timeout=400), 0)]
        after = self.pids(fleet, "ctl1")
        self.assertEqual({unit for unit in before if before[unit] != after[unit]}, {"nova-api.service", "nova-scheduler.service"})
        with open(fleet.store, "rb") as store:
            self.assertNotIn(SECRET.encode(), store.read())
        for result in results:
            self.assertNotIn(SECRET, result.out + result.err)

    def test_wrong_alias_is_repaired(self):
        """An old entry of the same name, and an entry of somebody's own that says something else."""
        fleet = self.nova_fleet(1, 1)
        wrong = 'alias = {"name":"nvidia1080","vendor_id":"10de","product_id":"1b06","device_type":"type-PF"}'
        other = 'alias = {"name":"nic","vendor_id":"8086","product_id":"1521","device_type":"type-PF"}'
        for host in ("gpu01", "ctl1"):
            self.add(fleet, host, "[pci]", f"{wrong}\n{other}")
        planted = {host: self.text(fleet, host) for host in ("gpu01", "ctl1")}
        self.expect(fleet.run("scan"), 0)
        self.assertIn("nova.conf:", self.failed_checks(fleet, "ctl1")["nova.alias"])
        self.expect(fleet.run("apply", "--yes", timeout=400), 0)
        for host in ("gpu01", "ctl1"):
            lines = self.text(fleet, host).splitlines()
            self.assertIn(ALIAS, lines)
            self.assertIn(other, lines)
            self.assertNotIn(wrong, lines)
        self.assertEqual(self.failed_checks(fleet, "ctl1"), {})
        self.expect(fleet.run("rollback", "--yes", timeout=400), 0)
        self.assertEqual(planted, {host: self.text(fleet, host) for host in ("gpu01", "ctl1")})

    def test_spec_that_matches_everything(self):
        """A typo of somebody's hands every device to guests: it is told by its line, in the plan and in the report; the file is
        left to who wrote it."""
        fleet = self.nova_fleet(1, 0)
        self.add(fleet, "gpu01", "[libvirt]", '[pci]\ndevice_spec = {"venodr_id":"10de"}', "root/etc/nova/nova-compute.conf")
        planted = self.text(fleet, "gpu01", "root/etc/nova/nova-compute.conf")
        result = self.expect(fleet.run("plan"), 2)
        said = " ".join(result.out.split())
        self.assertRegex(said, r"note: /etc/nova/nova-compute.conf:\d+ offers \d+ devices that the inventory does not want")
        self.assertIn("Nova is to offer 0000:01:00.0, 0000:02:00.0 (2 devices)", said)
        self.assertEqual(planted, self.text(fleet, "gpu01", "root/etc/nova/nova-compute.conf"))
        self.assertIn("nova-compute.conf:", self.failed_checks(fleet, "gpu01")["nova.config"])

    def test_limit_names_what_is_pending(self):
        fleet = self.nova_fleet(1, 1)
        result = self.expect(fleet.run("apply", "--yes", "--limit", "gpu01", timeout=400), 0)
        self.assertIn("pending on ctl1, which --limit leaves out: never scanned", " ".join(result.out.split()))
        self.expect(fleet.run("scan"), 0)
        result = self.expect(fleet.run("apply", "--yes", "--limit", "gpu01"), 0)
        self.assertIn("pending on ctl1, which --limit leaves out: nova.", " ".join(result.out.split()))
        self.assertNotIn("PciPassthroughFilter\n", self.text(fleet, "ctl1").replace(FILTERS, ""))
        # Named alone, it runs its own stage: what it needs of the compute host comes from the store.
        self.expect(fleet.run("apply", "--yes", "--limit", "ctl1", timeout=400), 0)
        self.assertIn(ALIAS + "\n", self.text(fleet, "ctl1"))
        self.assertEqual(fleet.boots("ctl1"), 1)

    def test_service_that_dies(self):
        """It is quoted with its meaning; once mended, the same command ends it."""
        fleet = self.nova_fleet(1, 1)
        fleet.fault("gpu01", "log-nova-compute.service",
                    "ERROR nova nova.exception.PciConfigInvalidSpec: Invalid [pci]device_spec config: bad\n")
        result = self.expect(fleet.run("apply", "--yes", timeout=400), 3)
        said = " ".join(result.out.split())
        self.assertIn("PciConfigInvalidSpec", said)
        self.assertIn("ctl1", said)
        self.assertNotIn(ALIAS, self.text(fleet, "ctl1"))
        os.unlink(fleet.path("gpu01", "control/fault/log-nova-compute.service"))
        self.expect(fleet.run("apply", "--yes", timeout=400), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertIn(ALIAS, self.text(fleet, "ctl1"))

    def test_release_and_deployment(self):
        fleet = self.nova_fleet(1, 0, nova={"release": "yoga"})
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertIn("nova.release is 25 (Yoga), and the host has Nova 26 (Zed)", " ".join(result.out.split()))
        fleet.inventory_change(lambda inventory: inventory.update(nova={"deployment": "none"}))
        stock = self.text(fleet, "gpu01")
        self.expect(fleet.run("apply", "--yes", timeout=400), 0)
        self.assertEqual(self.text(fleet, "gpu01"), stock)

    def test_no_gpus_no_control(self):
        """An inventory whose hosts have no Nova: as ever, and control hosts have nothing to do."""
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}, {"name": "ctl1", "kind": "control"}],
                           {"groups": {"c": {"role": "compute", "hosts": ["gpu01"]}, "ctl": {"role": "control", "hosts": ["ctl1"]}},
                            "gpus": NVIDIA})
        stock = fleet.tree("ctl1", "etc")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(stock, fleet.tree("ctl1", "etc"))


if __name__ == "__main__":
    main()
