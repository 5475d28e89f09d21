"""What changed since an earlier scan, and readiness over time: hosts are changed from outside between two scans."""

import contextlib
import datetime
import json
import os
import sqlite3

from harness import Case, main, unpacked

KERNEL = "6.1.0-99-amd64"


class History(Case):
    def scanned(self, hosts=3):
        fleet = self.fleet([{"name": "gpu", "count": hosts, "kind": "intel-nvidia"}])
        self.scan(fleet)
        return fleet

    def day_pass(self, fleet):
        """What was scanned is moved back by a day, as if it were tomorrow now."""
        with contextlib.closing(sqlite3.connect(fleet.store)) as store, store:
            store.execute("update scans set time = strftime('%Y-%m-%dT%H:%M:%SZ', time, '-1 day')")

    def scan(self, fleet, status=0):
        """A day after the one before."""
        if os.path.exists(fleet.store):
            self.day_pass(fleet)
        self.expect(fleet.run("scan"), status)

    def write(self, fleet, host, path, text):
        with open(fleet.path(host, "root", path), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def link(self, fleet, host, path, target):
        path = fleet.path(host, "root", path)
        if os.path.islink(path):
            os.unlink(path)
        os.symlink(target, path)

    def move_card(self, fleet, host):
        """The card at bus 2 goes to a slot behind another root port, and gets bus 4."""
        base = fleet.path(host, "root", "sys")
        for function in "01":
            old, new = f"0000:02:00.{function}", f"0000:04:00.{function}"
            os.rename(f"{base}/devices/pci0000:00/0000:00:01.1/{old}", f"{base}/devices/pci0000:00/0000:00:1c.0/{new}")
            for folder in ("bus/pci/devices", "kernel/iommu_groups/9/devices"):
                target = os.readlink(f"{base}/{folder}/{old}")
                os.unlink(f"{base}/{folder}/{old}")
                os.symlink(target.replace("0000:00:01.1/" + old, "0000:00:1c.0/" + new), f"{base}/{folder}/{new}")

    def changes(self, fleet, *args):
        """{host: [(what, device, before, after)]} and the text form."""
        report = self.report(fleet, "--since", "12h", *args)["changes"]
        self.assertLess(report["from"], report["to"])
        told = {host["name"]: [tuple(change[key] for key in ("what", "device", "before", "after")) for change in host["changes"]]
                for host in report["hosts"]}
        # As if lines were not wrapped.
        return told, self.expect(fleet.run("report", "--since", "12h", *args), 0).out.replace("\n    ", " ")

    def test_kernel_driver_group_and_command_line(self):
        fleet = self.scanned()
        for host in ("gpu01", "gpu02"):
            self.write(fleet, host, "proc/sys/kernel/osrelease", KERNEL)
        self.write(fleet, "gpu02", "proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-x root=/dev/vda1 intel_iommu=on")
        devices = "sys/bus/pci/devices/"
        self.link(fleet, "gpu03", devices + "0000:01:00.0/driver", "../../../../bus/pci/drivers/vfio-pci")
        # The network card is in the second card's group now.
        self.link(fleet, "gpu03", devices + "0000:00:1f.6/iommu_group", "../../../kernel/iommu_groups/9")
        self.scan(fleet)
        told, text = self.changes(fleet)
        self.assertEqual(set(told), {"gpu01", "gpu02", "gpu03"})
        kernel = [change for change in told["gpu01"] if change[0] == "kernel"]
        self.assertEqual(told["gpu01"], kernel)
        self.assertEqual(kernel[0][3], KERNEL)
        self.assertEqual([change[0] for change in told["gpu02"]], ["kernel", "cmdline"])
        self.assertIn(("driver", "0000:01:00.0", "nouveau", "vfio-pci"), told["gpu03"])
        self.assertIn(("iommu_group", "0000:02:00.0", "its card alone", "with 0000:00:1f.6 [8086:15bb]"), told["gpu03"])
        self.assertIn(("verdict", "0000:02:00.0", "pending", "blocked"), told["gpu03"])
        self.assertIn(f"2 hosts gpu[01-02]: kernel {kernel[0][2]} → {KERNEL}", text)
        self.assertRegex(text, r"1 host gpu02: kernel command line: .*\+intel_iommu=on")
        self.assertIn("1 host gpu03, 0000:01:00.0: driver nouveau → vfio-pci", text)
        self.assertNotIn("gpu01:", text[text.index("Changes from"):])
        # Only the hosts that were asked for.
        self.assertEqual(set(self.changes(fleet, "--limit", "gpu01")[0]), {"gpu01"})

    def test_card_that_moved(self):
        fleet = self.scanned(1)
        self.move_card(fleet, "gpu01")
        self.scan(fleet)
        told, text = self.changes(fleet)
        self.assertEqual(told["gpu01"], [("card.moved", "0000:04:00.0", "0000:02:00.0 behind 0000:00:01.1",
                                          "0000:04:00.0 behind 0000:00:1c.0")])
        self.assertIn("1 host gpu01, 0000:04:00.0: card moved: 0000:02:00.0 behind", text)

    def test_card_that_vanished_and_came_back(self):
        fleet = self.scanned(1)
        kept = {}
        for function in "01":
            path = fleet.path("gpu01", "root/sys/bus/pci/devices", f"0000:02:00.{function}")
            kept[path] = os.readlink(path)
            os.unlink(path)
        self.scan(fleet)
        self.assertIn(("card.gone", "0000:02:00.0", "10de:1b06", None), self.changes(fleet)[0]["gpu01"])
        for path, target in kept.items():
            os.symlink(target, path)
        self.scan(fleet)
        self.assertIn(("card.new", "0000:02:00.0", None, "10de:1b06"), self.changes(fleet)[0]["gpu01"])
        # Over both of them nothing has changed.
        self.assertEqual(self.report(fleet, "--since", "36h")["changes"]["hosts"], [])
        self.assertIn("\n  none\n", self.expect(fleet.run("report", "--since", "36h"), 0).out)

    def test_hosts_that_are_new_or_gone(self):
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}], boot_seconds=3600)
        self.expect(fleet.run("scan", "--limit", "gpu01"), 0)
        self.scan(fleet)
        told, text = self.changes(fleet)
        self.assertEqual(told, {"gpu02": [("host.new", None, None, None)]})
        self.assertIn("1 host gpu02: seen for the first time", text)
        fleet.request("gpu01", "reboot")
        fleet.wait(lambda: fleet.run("exec", "--limit", "gpu01", "--", "true").status == 4, 60, "the host to be down")
        self.scan(fleet, 4)
        told, text = self.changes(fleet)
        self.assertEqual(told, {"gpu01": [("host.unreachable", None, None, None)]})
        self.assertIn("1 host gpu01: not reached any more", text)

    def test_hosts_that_were_removed(self):
        fleet = self.scanned()
        fleet.inventory_change(lambda inventory: (inventory["groups"]["computes"]["hosts"].remove("gpu03"),
                                                  inventory["hosts"].pop("gpu03")))
        removed = {"gpu03": [("host.removed", None, None, None)]}
        # Nothing was scanned since, and yet it is told.
        self.day_pass(fleet)
        report = self.report(fleet, "--since", "12h")["changes"]
        self.assertEqual([host["name"] for host in report["hosts"]], ["gpu03"])
        text = self.expect(fleet.run("report", "--since", "12h"), 0).out
        self.assertRegex(text, r"No scan was made since .*\n  1 host gpu03 *: no longer in the inventory\n")
        self.scan(fleet)
        told, text = self.changes(fleet)
        self.assertEqual(told, removed)
        self.assertIn("1 host gpu03: no longer in the inventory", text)
        # Whoever asks for some hosts only doesn't ask for that one; and what was gone before is nothing new.
        self.assertEqual(self.changes(fleet, "--limit", "gpu01")[0], {})
        self.scan(fleet)
        self.assertEqual(self.changes(fleet)[0], {})

    def test_what_apply_did(self):
        """Every run that collects facts is kept; readiness over time has it."""
        fleet = self.scanned(1)
        with contextlib.closing(sqlite3.connect(fleet.store)) as store, store:
            store.execute("update scans set time = '2026-01-01T10:00:00Z'")
        self.expect(fleet.run("apply", "--yes"), 0)
        report = self.report(fleet, "--since", "2026-01-02", "--history")
        changes = [(change["what"], change["device"], change["before"], change["after"])
                   for change in report["changes"]["hosts"][0]["changes"]]
        self.assertIn(("verdict", None, "pending", "ready"), changes)
        self.assertIn(("driver", "0000:02:00.0", "nouveau", "vfio-pci"), changes)
        points = [(point["time"][:10], point["total"], point["ready"], point["pending"], point["aliases"][0]["ready"])
                  for point in report["history"]]
        today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
        self.assertEqual(points[0], ("2026-01-01", 2 + 1, 0, 2, 0))
        self.assertEqual(points[-1][1:], (2 + 1, 2, 0, 2))
        text = self.expect(fleet.run("report", "--history"), 0).out
        self.assertRegex(text, r"2026-01-01 +2 +0 +0 +2 +0 +0 +\.{20}\n")
        self.assertRegex(text, rf"{today[:8]}\d\d +2 +2 +0 +0 +0 +0 +#{{20}}\n")

    def test_unchanged_hosts_cost_nothing(self):
        fleet = self.scanned(2)
        for _ in range(3):
            self.scan(fleet)
        with contextlib.closing(sqlite3.connect(fleet.store)) as store:
            self.assertEqual(store.execute("select count(*), min(seen) from spans").fetchone(), (2, 4))
            self.assertEqual(store.execute("select count(*) from bodies").fetchone(), (2,))
            # The journal has the last scan alone.
            self.assertEqual(store.execute("select count(distinct run) from events").fetchone(), (1,))
        self.assertIn("scan", self.expect(fleet.run("status"), 0).out)

    def test_store_of_an_earlier_version(self):
        """It is read as it is, and the next scan takes it over; what it knew then is what to compare with."""
        fleet = self.scanned(1)
        with contextlib.closing(sqlite3.connect(fleet.store)) as store, store:
            for table in ("scans", "spans", "bodies", "sightings"):
                store.execute(f"drop table {table}")
            store.create_function("unpacked", 1, unpacked)
            store.execute("update facts set body = unpacked(body)")
            store.execute("update facts set time = '2026-01-01T00:00:00Z'")
            store.execute("pragma user_version = 1")
        self.report(fleet)
        result = self.expect(fleet.run("report", "--since", "7d"), 1)
        self.assertIn("run `gpufleet scan` on this inventory first", result.err)
        self.write(fleet, "gpu01", "proc/sys/kernel/osrelease", KERNEL)
        self.expect(fleet.run("scan"), 0)
        changes = self.report(fleet, "--since", "2026-01-02")["changes"]
        self.assertEqual(changes["from"], "2026-01-01T00:00:00Z")
        self.assertEqual([change["what"] for change in changes["hosts"][0]["changes"]], ["kernel"])

    def test_what_can_not_be_asked(self):
        fleet = self.scanned(1)
        for args, told in ((("--since", "yesterday"), "--since takes a time (2026-01-31T10:00:00Z), a date (2026-01-31) or an age (7d, 24h, 30m)"),
                           (("--since", "2199-01-01"), "still to come"),
                           (("--since", "7d"), "nothing is kept from so long ago; the first scan is that of 20"),
                           (("--history", "--limit", "gpu01"), "leave out --limit")):
            self.assertIn(told, self.expect(fleet.run("report", *args), 1).err)
        report = self.report(fleet)
        self.assertNotIn("changes", report)
        self.assertNotIn("history", report)

    def test_interrupted_scan_is_none(self):
        fleet = self.scanned(1)
        with contextlib.closing(sqlite3.connect(fleet.store)) as store, store:
            store.execute("insert into scans (run, began) values ('cut-short', '2030-01-01T00:00:00Z')")
        report = self.report(fleet, "--since", "0s", "--history")
        self.assertEqual(report["changes"]["hosts"], [])
        self.assertEqual(len(report["history"]), 1)
        self.assertEqual(json.dumps(report["history"]).count("time"), 1)


if __name__ == "__main__":
    main()
