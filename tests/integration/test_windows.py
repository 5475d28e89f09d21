"""rollout.windows: nothing begins outside them, nor a reboot that may not be over in time; exit 5, and the same command goes on."""

import datetime
import json

from harness import Case, main

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def window(opens, closes):
    """One that opens and closes so many minutes from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    first, last = now + datetime.timedelta(minutes=opens), now + datetime.timedelta(minutes=closes)
    return {"days": [DAYS[first.weekday()]], "from": first.strftime("%H:%M"), "to": last.strftime("%H:%M"), "tz": "UTC"}


class Windows(Case):
    def windowed(self, opens, closes, boot_timeout="5m"):
        return self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}],
                          {"rollout": {"waves": ["100%"], "max_unavailable": 2, "boot_timeout": boot_timeout,
                                       "windows": [window(opens, closes)]}})

    def change(self, fleet, rollout):
        """The inventory is edited between two runs."""
        with open(fleet.inventory, encoding="utf-8") as file:
            inventory = json.load(file)
        inventory["rollout"].update(rollout)
        with open(fleet.inventory, "w", encoding="utf-8") as file:
            json.dump(inventory, file)

    def test_closed(self):
        fleet = self.windowed(120, 240)
        before = [fleet.tree(name, "etc", "boot") for name in fleet.names]
        self.expect(fleet.run("plan"), 2)
        result = self.expect(fleet.run("apply", "--yes"), 5)
        out = " ".join((result.out + result.err).split())
        self.assertIn("skipped (2): gpu[01-02]", out)
        self.assertIn("no window of rollout.windows is open: the same command goes on in the next window, from ", out)
        self.assertEqual([fleet.tree(name, "etc", "boot") for name in fleet.names], before)
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 1})
        for command in ("reboot", "rollback"):
            self.expect(fleet.run(command, "--yes"), 5 if command == "reboot" else 0)  # nothing to undo is no change
        self.change(fleet, {"windows": [window(-5, 600)]})
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})
        # Nothing to do needs no window.
        self.change(fleet, {"windows": [window(120, 240)]})
        self.expect(fleet.run("apply", "--yes"), 0)
        self.expect(fleet.run("rollback", "--yes"), 5)
        self.assertEqual(fleet.boots(), {"gpu01": 2, "gpu02": 2})

    def test_too_short_for_a_reboot(self):
        """By boot_timeout first; from then on by how long the host's own reboots take."""
        fleet = self.windowed(-5, 20, "30m")
        result = self.expect(fleet.run("apply", "--yes"), 5)
        self.assertIn("its reboot may take 30 minutes, and the window closes at ", " ".join((result.out + result.err).split()))
        self.assertEqual(fleet.boots(), {"gpu01": 1, "gpu02": 1})
        self.change(fleet, {"windows": [window(-5, 600)]})
        self.expect(fleet.run("apply", "--yes"), 0)
        self.change(fleet, {"windows": [window(-5, 20)]})
        self.expect(fleet.run("reboot", "--yes"), 0)
        self.assertEqual(fleet.boots(), {"gpu01": 3, "gpu02": 3})


if __name__ == "__main__":
    main()
