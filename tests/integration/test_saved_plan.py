"""plan --out and apply --plan: exactly that, or nothing."""

import json
import os

from harness import CARDS, Case, main

HOSTS = [{"name": "gpu", "count": 3, "kind": "intel-nvidia"}]


class SavedPlan(Case):
    def planned(self, hosts=None, inventory=None):
        fleet = self.fleet(hosts or HOSTS, inventory)
        path = os.path.join(fleet.directory, "plan.json")
        return fleet, path

    def test_does_what_was_saved(self):
        fleet, path = self.planned()
        plan = self.expect(fleet.run("plan", "--out", path), 2)
        self.assertIn("--plan", plan.out)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        self.assertEqual([group["hosts"] for group in saved["plans"]], ["gpu[01-03]"], "equal plans are folded")
        self.expect(fleet.run("apply", "--plan", path, "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2})
        for name in fleet.names:
            self.assertEqual(fleet.on_vfio(name), CARDS)
        # Once more: it is done already, which is what the plan asks for.
        self.expect(fleet.run("apply", "--plan", path, "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2})

    def test_refuses_a_host_whose_file_changed(self):
        fleet, path = self.planned()
        os.makedirs(fleet.path("gpu02", "root/etc/modules-load.d"), exist_ok=True)
        with open(fleet.path("gpu02", "root/etc/modules-load.d/gpufleet-vfio-modules.conf"), "w", encoding="utf-8") as file:
            file.write("vfio\n")
        self.expect(fleet.run("plan", "--out", path), 2)
        with open(fleet.path("gpu02", "root/etc/modules-load.d/gpufleet-vfio-modules.conf"), "a", encoding="utf-8") as file:
            file.write("# changed since\n")
        before = fleet.tree("gpu02", "etc", "boot")
        result = self.expect(fleet.run("apply", "--plan", path, "--yes"), 2)
        self.assertIn("gpufleet-vfio-modules.conf is not as it was", result.out + result.err)
        self.assertEqual(fleet.tree("gpu02", "etc", "boot"), before)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1, "gpu03": 2})

    def test_refuses_a_host_whose_protection_changed(self):
        """A change that was to be tried first is not made in place because grubenv moved meanwhile."""
        fleet, path = self.planned([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("plan", "--out", path), 2)
        with open(fleet.path("gpu01", "control/grub-fs"), "w", encoding="utf-8") as file:
            file.write("btrfs\n")
        before = fleet.tree("gpu01", "etc", "boot")
        result = self.expect(fleet.run("apply", "--plan", path, "--yes"), 2)
        self.assertIn("would be protected otherwise: in place", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_refuses_a_host_whose_facts_changed(self):
        fleet, path = self.planned([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("plan", "--out", path), 2)
        with open(path, encoding="utf-8") as file:
            saved = json.load(file)
        saved["hosts"]["gpu01"]["host"]["kernel"] = "5.10.0-1-amd64"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(saved, file)
        before = fleet.tree("gpu01", "etc", "boot")
        result = self.expect(fleet.run("apply", "--plan", path, "--yes"), 2)
        self.assertIn("its kernel was 5.10.0-1-amd64", result.out + result.err)
        self.assertEqual(fleet.tree("gpu01", "etc", "boot"), before)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_refuses_another_inventory(self):
        fleet, path = self.planned([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("plan", "--out", path), 2)
        fleet.inventory_change(lambda inventory: inventory["rollout"].update(max_failures=1))
        result = self.expect(fleet.run("apply", "--plan", path, "--yes"), 1)
        self.assertIn("the inventory is another", result.err)
        self.assertEqual(fleet.boots("gpu01"), 1)

    def test_only_the_hosts_of_the_plan(self):
        fleet, path = self.planned()
        self.expect(fleet.run("plan", "--limit", "gpu01", "--out", path), 2)
        self.expect(fleet.run("apply", "--plan", path, "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1, "gpu03": 1})
        result = self.expect(fleet.run("apply", "--plan", path, "--yes", "--limit", "gpu03"), 1)
        self.assertIn("none of the selected hosts", result.err)

    def test_goes_on_where_it_was_cut_off(self):
        """What the plan itself changed so far is not a reason to refuse."""
        fleet, path = self.planned([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("plan", "--out", path), 2)
        fleet.fault("gpu01", "fail-update-grub")
        self.assertNotEqual(fleet.run("apply", "--plan", path, "--yes").status, 0)
        os.unlink(fleet.path("gpu01", "control/fault/fail-update-grub"))
        self.expect(fleet.run("apply", "--plan", path, "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), CARDS)

    def test_a_plan_that_cannot_be_written_is_an_error(self):
        fleet, _ = self.planned([{"name": "gpu01", "kind": "intel-nvidia"}])
        result = self.expect(fleet.run("plan", "--out", os.path.join(fleet.directory, "no/such/plan.json")), 1)
        self.assertIn("cannot create a file beside", result.err)


if __name__ == "__main__":
    main()
