"""The shape and the sums of the JSON report."""

import json

from harness import Case, main

class Report(Case):
    def test_shape(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}, {"name": "gpu02", "kind": "no-iommu"},
                            {"name": "gpu03", "kind": "intel-nvidia", "faults": {"refuse": True}}],
                           {"flavors": [{"name": "gpu.2", "vcpus": 8, "ram": 1024, "disk": 10, "gpus": {"nvidia1080": 2}}]})
        self.expect(fleet.run("scan"), 4)
        report = self.report(fleet)
        self.assertEqual([host["name"] for host in report["hosts"]], ["gpu01", "gpu02", "gpu03"])
        self.assertEqual((report["totals"]["hosts"], report["totals"]["pending"], report["totals"]["blocked"]), (3, 2, 1))
        self.assertEqual([host["verdict"] for host in report["hosts"]], ["pending", "blocked", "unknown"])
        alias = report["capacity"]["aliases"][0]
        self.assertEqual((alias["alias"], alias["total"], alias["pending"], alias["blocked"]), ("nvidia1080", 3, 2, 1))
        self.assertEqual((alias["blocked_by"], len(alias["numa_nodes"])), ([{"check": "iommu.tables", "gpus": 1}], 2))
        flavor = report["capacity"]["flavors"][0]
        self.assertEqual((flavor["flavor"], flavor["fits_now"], flavor["fits_when_ready"]), ("gpu.2", 0, 1))
        self.assertEqual([blocker["check"] for blocker in report["capacity"]["blockers"]], ["iommu.tables"])

    def test_what_if(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}, {"name": "gpu02", "kind": "no-iommu"}])
        self.expect(fleet.run("scan"), 0)
        asked = ("--what-if", "fix=iommu.tables", "--what-if", "flavor=one,vcpus=1,ram=1G,gpus=nvidia1080")
        report = json.loads(self.expect(fleet.run("report", "--format", "json", *asked), 0).out)
        fits = {when: report["what_if"][when]["flavors"][0]["fits_when_ready"] for when in ("now", "then")}
        self.assertEqual((fits, report["what_if"]["gpus_changed"]), ({"now": 2, "then": 3}, 1))
        self.assertIn("one                                     0           2 -> 3", self.expect(fleet.run("report", *asked), 0).out)
        self.assertIn("did you mean iommu.tables?", self.expect(fleet.run("report", "--what-if", "fix=iommu.table"), 1).err)
        self.expect(fleet.run("report", "--format", "libvirt", *asked), 1)

    def test_output_file_and_text(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("scan"), 0)
        path = fleet.directory + "/report.json"
        self.expect(fleet.run("report", "--format", "json", "--output", path), 0)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(json.load(file)["totals"]["pending"], 2)
        page = fleet.directory + "/report.html"
        self.expect(fleet.run("report", "--format", "html", "--output", page), 0)
        with open(page, encoding="utf-8") as file:
            html = file.read()
        self.assertTrue(html.startswith("<!doctype html>") and html.endswith("</html>\n"), html[-200:])
        self.assertIn("A driver of the host's holds the device.".replace("'", "&#39;"), html)
        # Nothing in it leads anywhere but to itself.
        self.assertNotRegex(html, r'(src|action|formaction)=|href="(?!#)|url\((?!#)|@import')
        text = self.expect(fleet.run("report"), 0).out
        self.assertIn("0000:01:00.0", text)


if __name__ == "__main__":
    main()
