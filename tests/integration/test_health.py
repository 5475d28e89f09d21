"""rollout.health: the operator's own command between waves, as a real process."""

import os
import subprocess

from harness import Case, main

CHECK = """#!/bin/sh
echo "$GPUFLEET_FLEET $GPUFLEET_WAVE $GPUFLEET_HOSTS" >>{log}
[ -n "$GPUFLEET_RUN" ] || exit 9
if [ -e {bad} ]; then
	echo "nova-compute of gpu01 is down"
	exit 1
fi
"""


class Health(Case):
    def checked(self):
        fleet = self.fleet([{"name": "gpu", "count": 3, "kind": "intel-nvidia"}])
        names = {name: os.path.join(fleet.directory, name) for name in ("log", "bad", "check")}
        with open(names["check"], "w", encoding="utf-8") as file:
            file.write(CHECK.format(**names))
        os.chmod(names["check"], 0o755)
        fleet.inventory_change(lambda inventory: inventory["rollout"].update(
            waves=[1, 2, "100%"], max_unavailable=2, max_failures=0, health=[names["check"]]))
        return fleet, names

    def asked(self, names):
        with open(names["log"], encoding="utf-8") as file:
            return file.read().splitlines()

    def test_between_waves(self):
        fleet, names = self.checked()
        self.expect(fleet.run("plan"), 2)
        self.assertFalse(os.path.exists(names["log"]))
        result = self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(self.asked(names), ["test 1 gpu01", "test 2 gpu02"])
        self.assertIn("rollout.health: done: wave 1: passed", result.out)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2})
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(len(self.asked(names)), 2, "nothing was done, so nothing is asked")

    def test_refused(self):
        fleet, names = self.checked()
        with open(names["bad"], "w", encoding="utf-8"):
            pass
        result = self.expect(fleet.run("apply", "--yes"), 3)
        out = " ".join((result.out + result.err).split())
        self.assertIn("rollout.health: failed: wave 1: %s ended with status 1: nova-compute of gpu01 is down" % names["check"], out)
        self.assertIn("skipped (2): gpu[02-03]", out)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1, "gpu03": 1})
        os.unlink(names["bad"])
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2})

    def test_nova_compute_must_be_up_again(self):
        """Built in: a host whose nova-compute was up before its reboot, and is not after it, has failed, and the next wave waits."""
        fleet = self.fleet([{"name": "gpu", "count": 3, "kind": "intel-nova"}],
                           {"rollout": {"waves": [1, "100%"], "max_unavailable": 2}})
        fault = fleet.path("gpu01", "control/fault/start-nova-compute.service")
        fleet.fault("gpu01", "start-nova-compute.service")
        result = self.expect(fleet.run("reboot", "--yes", timeout=240), 3)
        out = " ".join((result.out + result.err).split())
        self.assertIn("it is not as it should be after the reboot: nova-compute.service is failed (failed), and was up before: see its log", out)
        self.assertIn("skipped (2): gpu[02-03]", out)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 1, "gpu03": 1})
        # The same command goes on: nobody has mended it, and it is not rebooted for that again.
        self.expect(fleet.run("reboot", "--yes", timeout=240), 3)
        self.assertEqual(fleet.boots("gpu01"), 2)
        os.unlink(fault)
        self.assertEqual(self.systemctl(fleet, "gpu01", "start"), 0)
        self.expect(fleet.run("reboot", "--yes", timeout=240), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2, "gpu03": 2})

    def systemctl(self, fleet, host, verb):
        root = fleet.path(host, "root")
        return subprocess.run([os.path.join(root, "usr/bin/systemctl"), verb, "nova-compute.service"],
                              env=dict(os.environ, GPUFLEET_SYSROOT=root), check=False).returncode

    def test_not_there(self):
        fleet, _ = self.checked()
        fleet.inventory_change(lambda inventory: inventory["rollout"].update(health=["/nonexistent/check"]))
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("/nonexistent/check can't be started: no such file or directory", result.out + result.err)


if __name__ == "__main__":
    main()
