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
        self.assertEqual(report["capacity"]["flavors"], [{"flavor": "gpu.2", "fits_now": 0, "fits_when_ready": 1}])

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
