"""What gpufleet leaves alone: blocked hosts, running guests, control hosts; and when it stops."""

from harness import CARDS, Case, main

STOCK = {"name": "gpu01", "kind": "intel-nvidia"}


class Safety(Case):
    def test_blocked_hosts_are_untouched(self):
        fleet = self.fleet([STOCK, {"name": "gpu02", "kind": "shared-group"}, {"name": "gpu03", "kind": "no-iommu"}])
        before = {name: fleet.tree(name, "etc", "boot") for name in ("gpu02", "gpu03")}
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertEqual({name: fleet.tree(name, "etc", "boot") for name in ("gpu02", "gpu03")}, before)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1, "gpu03": 1})
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)
        self.assertIn("IOMMU", result.out + result.err)
        hosts = {host["name"]: host for host in self.report(fleet)["hosts"]}
        self.assertEqual([hosts[name]["verdict"] for name in fleet.names], ["ready", "blocked", "blocked"])
        for name in ("gpu02", "gpu03"):
            failed = [check for check in hosts[name]["checks"] if check["status"] == "fail"]
            self.assertTrue(failed, name)
            for check in failed:
                self.assertTrue(check["evidence"] and check["cause"] and check["fix"], check)

    def test_running_guests_block_the_reboot(self):
        fleet = self.fleet([dict(STOCK, guests=[{"name": "instance-00000007", "device": "0000:7f:00.0"}])])
        result = self.expect(fleet.run("apply", "--yes"), 2)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.assertIn("guest", (result.out + result.err).lower())
        self.expect(fleet.run("reboot", "--yes"), 2)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.expect(fleet.run("apply", "--yes", "--allow-running-guests"), 0)
        self.assertEqual(fleet.boots("gpu01"), 2)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)

    def test_failure_budget_halts(self):
        """The first host fails; with no failures tolerated the others are never touched."""
        fleet = self.fleet([{"name": "gpu", "count": 3, "kind": "intel-nvidia"}],
                           {"rollout": {"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 0}})
        fleet.fault("gpu01", "fail-mkinitramfs")
        before = fleet.tree("gpu02", "etc", "boot")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("gpu01", result.out + result.err)
        self.assertEqual(fleet.tree("gpu02", "etc", "boot"), before)
        self.assertEqual([fleet.boots("gpu02"), fleet.boots("gpu03")], [1, 1])

    def test_failure_inside_the_budget_goes_on(self):
        fleet = self.fleet([{"name": "gpu", "count": 3, "kind": "intel-nvidia"}],
                           {"rollout": {"waves": [1, "100%"], "max_unavailable": 1, "max_failures": 1}})
        fleet.fault("gpu01", "fail-mkinitramfs")
        self.expect(fleet.run("apply", "--yes"), 2)
        self.assertEqual(fleet.boots("gpu01"), 1)
        self.assertEqual([fleet.on_vfio("gpu02"), fleet.on_vfio("gpu03")], [CARDS, CARDS])

    def test_control_hosts_are_left_alone(self):
        fleet = self.fleet([STOCK, {"name": "ctl1", "kind": "control"}],
                           {"groups": {"c": {"role": "compute", "hosts": ["gpu01"]},
                                       "k": {"role": "control", "hosts": ["ctl1"]}}})
        before = fleet.tree("ctl1", "etc", "boot")
        self.expect(fleet.run("apply", "--yes"), 0)
        self.expect(fleet.run("reboot", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 3, "ctl1": 1})
        self.assertEqual(fleet.tree("ctl1", "etc", "boot"), before)

    def test_needs_yes_without_a_terminal(self):
        fleet = self.fleet([STOCK])
        for command in ("apply", "reboot", "rollback"):
            self.assertIn("--yes", self.expect(fleet.run(command), 1).err)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_empty_selection_is_an_error(self):
        fleet = self.fleet([STOCK])
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu01,!gpu01"), 1)
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu09"), 1)


if __name__ == "__main__":
    main()
