"""Nova on simulated hosts, by the agent's own command line: facts, configuration, restarts, undo, reboots between."""

import json
import os
import subprocess

from harness import BUILD, Case, main

AGENT = os.path.join(BUILD, "gpufleet-agent")
SPEC = '{"address": "0000:01:00.0"}'
ALIAS = '{"name": "gpu", "vendor_id": "10de", "product_id": "1b06", "device_type": "type-PCI"}'


def option(section, name, kind, service, **more):
    return {"section": section, "name": name, "kind": kind, "services": [service], **more}


COMPUTE = [option("pci", "device_spec", "multi", "nova-compute", values=[SPEC]),
           option("pci", "alias", "multi", "nova-compute", values=[ALIAS], identity="name")]
CONTROL = [option("pci", "alias", "multi", "nova-api", values=[ALIAS], identity="name"),
           option("filter_scheduler", "enabled_filters", "list-add", "nova-scheduler",
                  values=["PciPassthroughFilter"], default=["ComputeFilter"])]


def stage(*services):
    return {"name": "nova", "tasks":
            [{"type": "nova_config", "name": f"configure {name}", "service": name} for name in services] +
            [{"type": "nova_service", "name": name, "service": name, "settle": 1, "timeout": 60} for name in services]}


class NovaHost(Case):
    def agent(self, fleet, host, command, **request):
        """The last line that the agent prints, and all of its output."""
        root = fleet.path(host, "root")
        done = subprocess.run([AGENT, "--sysroot", root, command], input=json.dumps(request), capture_output=True,
                              text=True, check=False, timeout=120)
        self.assertNotIn("not-a-real-password", done.stdout, "a secret left the host")
        if command == "facts":
            return json.loads(done.stdout), done.stdout
        return json.loads(done.stdout.splitlines()[-1])["result"], done.stdout

    def apply(self, fleet, host, operation, options, *services):
        context = {"run": "R", "nova": {"release": 26, "options": options, "services": list(services)}}
        result, out = self.agent(fleet, host, "apply", operation=operation, context=context, stage=stage(*services))
        self.assertEqual(result["state"], "done", out)
        return result["changed"]

    def restarts(self, fleet, host):
        return fleet.programs(host).count("restart")

    def test_compute(self):
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nova"}], boot_seconds=0.1)
        for host in ("gpu01", "gpu02"):  # the second is a copy of the first
            before = fleet.tree(host, "etc/nova")
            facts = self.agent(fleet, host, "facts")[0]["nova"]
            self.assertEqual((facts["deployment"], facts["release"]), ("debian", "26.2.2"))
            service = facts["services"][0]
            self.assertEqual((service["source"], service["unit"], service["state"]), ("argv", "nova-compute.service", "active"))
            self.assertEqual(service["read"], ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"])
            self.assertFalse(self.apply(fleet, host, "idle", [], "nova-compute"), "a stock host needs no restart")
            self.assertTrue(self.apply(fleet, host, "one", COMPUTE, "nova-compute"))
            self.assertEqual(self.restarts(fleet, host), 1)
            options = self.agent(fleet, host, "facts")[0]["nova"]["services"][0]["options"]
            self.assertEqual([options[key]["value"] for key in ("pci.device_spec", "pci.alias")], [[SPEC], [ALIAS]])
            self.assertTrue(all(entry["ours"] for entry in options["pci.alias"]["entries"]))
            self.assertFalse(self.apply(fleet, host, "two", COMPUTE, "nova-compute"))
            self.assertEqual(self.restarts(fleet, host), 1)
        boots = fleet.boots("gpu01")
        fleet.request("gpu01", "reboot")
        fleet.wait(lambda: fleet.boots("gpu01") == boots + 1, 20, "the reboot")
        self.assertFalse(self.apply(fleet, "gpu01", "three", COMPUTE, "nova-compute"), "it came up with its files")
        result, out = self.agent(fleet, "gpu01", "undo", operation="four", context={"run": "R"})
        self.assertEqual((result["state"], result["reboot"]), ("done", False), out)
        self.assertEqual(fleet.tree("gpu01", "etc/nova"), before)
        self.assertEqual(self.restarts(fleet, "gpu01"), 2)

    def test_control(self):
        fleet = self.fleet([{"name": "ctl1", "kind": "control-nova"}], boot_seconds=0.1)
        before = fleet.tree("ctl1", "etc/nova")
        services = self.agent(fleet, "ctl1", "facts")[0]["nova"]["services"]
        self.assertEqual({service["name"] for service in services}, {"nova-api", "nova-conductor", "nova-scheduler"})
        self.assertEqual(len(services), 3)
        self.assertTrue(self.apply(fleet, "ctl1", "one", CONTROL, "nova-api", "nova-scheduler"))
        self.assertEqual(self.restarts(fleet, "ctl1"), 2, "the conductor reads the file, too, but no task names it")
        self.assertFalse(self.apply(fleet, "ctl1", "two", CONTROL, "nova-api", "nova-scheduler"))
        facts = {service["name"]: service["options"] for service in self.agent(fleet, "ctl1", "facts")[0]["nova"]["services"]}
        self.assertEqual(facts["nova-scheduler"]["filter_scheduler.enabled_filters"]["value"],
                         ["ComputeFilter", "PciPassthroughFilter"])
        self.assertEqual(facts["nova-api"]["pci.alias"]["value"], [ALIAS])
        self.agent(fleet, "ctl1", "undo", operation="three", context={"run": "R"})
        self.assertEqual(self.restarts(fleet, "ctl1"), 4, "the conductor never saw what was put back")
        self.assertEqual(fleet.tree("ctl1", "etc/nova"), before)


if __name__ == "__main__":
    main()
