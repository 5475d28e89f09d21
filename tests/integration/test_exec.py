"""exec over many hosts: folding, exit status, --json; and a scan of two hundred."""

import json
import signal
import time

from harness import Case, main


class Exec(Case):
    def test_equal_outputs_are_folded(self):
        fleet = self.fleet([{"name": "gpu", "count": 12, "kind": "control"}, {"name": "ctl1", "kind": "control"}])
        result = self.expect(fleet.run("exec", "--", "echo", "same"), 0)
        self.assertIn("gpu[01-12]", result.out)
        self.assertEqual(result.out.count("same"), 1, result.out)
        result = fleet.run("exec", "--limit", "gpu[01-02]", "--", "sh -c 'echo out; echo err >&2; exit 3'")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("3", result.out + result.err)

    def test_become(self):
        hosts = [{"name": "gpu01", "kind": "control"}, {"name": "gpu02", "kind": "control", "standin_faults": {"no-sudo": ""}}]
        fleet = self.fleet(hosts)
        fleet.inventory_change(lambda inventory: inventory["defaults"].update(become="sudo"))
        result = self.expect(fleet.run("exec", "--", "echo it\\'s $((1 + 1)) o\\'clock"), 2)
        self.assertIn("it's 2 o'clock", result.out)
        self.assertIn("password is required", result.out + result.err)

    def test_json(self):
        fleet = self.fleet([{"name": "gpu", "count": 3, "kind": "control"}])
        for args in (("exec", "--json", "--", "echo hi"), ("scan", "--json"), ("plan", "--json")):
            result = fleet.run(*args)
            events = result.events()
            self.assertTrue(events, str(result))
            for event in events:
                self.assertIsInstance(event, dict)
                self.assertIn("event", event)
                self.assertIn("time", event)

    def test_frozen_host_ends_its_command(self):
        """Without --timeout a command may take hours, but not on a host that has stopped answering."""
        fleet = self.fleet([{"name": "gpu01", "kind": "control"}])
        begun = time.monotonic()
        try:
            result = self.expect(fleet.run("exec", "--", "sleep 5; kill -STOP $PPID; sleep 600"), 4)
        finally:
            fleet.process.send_signal(signal.SIGCONT)
        self.assertIn("answered nothing for 60 s", result.out)
        self.assertLess(time.monotonic() - begun, 140)

    def test_two_hundred_hosts(self):
        names = {"c": {"role": "compute", "hosts": ["gpu[001-200]"]}}
        fleet = self.fleet([{"name": "gpu", "count": 200, "digits": 3, "kind": "intel-nvidia"}], {"groups": names})
        self.expect(fleet.run("scan", "--forks", "32", timeout=400), 0)
        report = self.report(fleet)
        self.assertEqual((report["totals"]["hosts"], report["totals"]["pending"]), (200, 400))
        result = self.expect(fleet.run("exec", "--forks", "64", "--", "true"), 0)
        self.assertNotIn("gpu100", json.dumps(result.out), "two hundred equal outputs were not folded")


if __name__ == "__main__":
    main()
