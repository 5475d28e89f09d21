"""A card that is lost over gpufleet's own reboot: the host fails by the card's name, and the next run takes it as it is."""

import os
import signal

from harness import CARDS, Case, main

LOST = "0000:02:00."
UNIT = """[Unit]
ConditionPathExists=/etc/lose-card

[Service]
ExecStart=/bin/sh /etc/lose-card
"""
# The kernel finds one card fewer from the next boot on.
SCRIPT = 'rm -f "$GPUFLEET_SYSROOT"/sys/bus/pci/devices/%s?\n' % LOST


class Cards(Case):
    def losing_fleet(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}])
        system = fleet.path("gpu01", "root/etc/systemd/system")
        wants = os.path.join(system, "multi-user.target.wants")
        os.makedirs(wants, exist_ok=True)
        for path, text in ((os.path.join(system, "lose-card.service"), UNIT), (fleet.path("gpu01", "root/etc/lose-card"), SCRIPT)):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        os.symlink("../lose-card.service", os.path.join(wants, "lose-card.service"))
        return fleet

    def told_then_taken(self, fleet):
        boots = fleet.boots("gpu01")
        result = self.expect(fleet.run("apply", "--yes"), 3)
        self.assertIn("the card 0000:02:00.0 (10de:1b06) is gone since the reboot", result.out + result.err)
        # What there is now is what the next run goes by.
        devices = [device["address"] for host in self.report(fleet)["hosts"] for device in host["devices"]]
        self.assertEqual([address for address in devices if address.startswith(LOST)], [])
        self.expect(fleet.run("apply", "--yes"), 0)
        self.assertEqual(fleet.on_vfio("gpu01"), {address for address in CARDS if not address.startswith(LOST)})
        return boots

    def test_lost_card_fails_the_host(self):
        self.told_then_taken(self.losing_fleet())

    def test_lost_card_while_the_controller_was_dead(self):
        fleet = self.losing_fleet()
        process = fleet.start("apply", "--yes")
        fleet.wait(lambda: "reboot" in fleet.programs("gpu01"), 120, "the reboot")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        fleet.wait(lambda: fleet.boots("gpu01") == 2, 60, "the boot")
        self.told_then_taken(fleet)

    def test_host_that_people_changed_is_looked_at_as_ever(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}])
        self.expect(fleet.run("apply", "--yes"), 0)
        for function in "01":
            fleet.remove("gpu01", f"sys/bus/pci/devices/{LOST}{function}")
        fleet.request("gpu01", "power")
        fleet.wait(lambda: fleet.boots("gpu01") == 3, 60, "the boot")
        result = self.expect(fleet.run("scan"), 0)
        self.assertNotIn("since the reboot", result.out + result.err)
        result = fleet.run("apply", "--yes")
        self.assertNotIn("since the reboot", str(self.expect(result, 0)))


if __name__ == "__main__":
    main()
