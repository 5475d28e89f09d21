"""scan --probe: asked of the agent only when it is given, and of no kernel where the host is simulated. What a kernel answers
is tests/unit/test_probe.c's."""

from harness import Case, main

BY_HAND = {"name": "gpu01", "kind": "intel-nvidia",
           "files": {"etc/modprobe.d/vfio.conf": "options vfio-pci ids=10de:1b06,10de:10ef\nsoftdep nouveau pre: vfio-pci\n"
                                                 "softdep snd_hda_intel pre: vfio-pci\n",
                     "etc/initramfs-tools/modules": "vfio-pci\n"}}


class Probe(Case):
    def probes(self, fleet):
        (host,) = self.report(fleet)["hosts"]
        return [(check["device"], check["status"], check["evidence"]) for check in host["checks"] if check["id"] == "device.probe"]

    def test_asked_and_not(self):
        fleet = self.fleet([BY_HAND])
        self.expect(fleet.run("scan", "--probe"), 0)
        cards = sorted(fleet.on_vfio("gpu01"))
        self.assertEqual(len(cards), 4)
        self.assertEqual(sorted(self.probes(fleet)),
                         [(card, "unknown", "a simulated host has no kernel to ask") for card in cards])
        (host,) = self.report(fleet)["hosts"]
        self.assertEqual(host["verdict"], "ready")
        self.expect(fleet.run("scan"), 0)
        self.assertEqual(self.probes(fleet), [])

    def test_of_scan_alone(self):
        fleet = self.fleet([BY_HAND])
        self.expect(fleet.run("apply", "--yes", "--probe"), 1)


if __name__ == "__main__":
    main()
