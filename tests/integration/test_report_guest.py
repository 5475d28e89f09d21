"""What is left to do for guests: the script for OpenStack, run against a stand-in of its command, and libvirt's XML."""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET

from harness import Case, main

# Keeps its flavors in a file, as Nova does: a name once, properties set over and over; writes down what it was asked.
OPENSTACK = r'''#!/usr/bin/env python3
import json, os, sys

here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\n")
if os.path.exists(here + "/down"):
    sys.exit("Unable to establish connection")
path = here + "/flavors"
flavors = json.load(open(path)) if os.path.exists(path) else {}
what, name = sys.argv[1:3], sys.argv[-1]
options = list(zip(sys.argv[3:-1:2], sys.argv[4:-1:2]))
if what == ["flavor", "show"]:
    if name not in flavors:
        sys.exit("No flavor with a name or ID of '%s' exists." % name)
    form = options.pop(0)
    if form == ("-f", "value"):
        assert options == [("-c", "properties")]
        print(flavors[name].get("properties", {}))
    else:
        assert form == ("-f", "shell")
        for option, column in sorted(options):
            print('%s="%s"' % (column, flavors[name][column]))
elif what == ["flavor", "create"]:
    if name in flavors:
        sys.exit("Flavor with name %s already exists. (HTTP 409)" % name)
    flavors[name] = {key[2:]: int(value) for key, value in options}
    print("+--- a table ---+")
elif what == ["flavor", "set"]:
    for option, value in options:
        assert option == "--property", option
        flavors[name].setdefault("properties", {}).update([value.split("=", 1)])
elif what != ["image", "set"]:
    sys.exit("not known here: %r" % sys.argv)
json.dump(flavors, open(path, "w"))
'''

FLAVORS = [{"name": "gpu.1", "vcpus": 4, "ram": 16384, "disk": 50, "gpus": {"nvidia1080": 1}},
           {"name": "gpu.2", "vcpus": 8, "ram": 32768, "disk": 100, "gpus": {"nvidia1080": 2}}]


class Guest(Case):
    def ready(self, hosts, **inventory):
        """A fleet whose cards are on vfio-pci."""
        fleet = self.fleet(hosts, inventory)
        self.expect(fleet.run("scan"), 0)
        self.expect(fleet.run("apply", "--yes"), 0)
        return fleet

    def stand_in(self, fleet):
        folder = os.path.join(fleet.directory, "bin")
        os.mkdir(folder)
        path = os.path.join(folder, "openstack")
        with open(path, "w", encoding="utf-8") as file:
            file.write(OPENSTACK)
        os.chmod(path, 0o755)
        return folder

    def script(self, fleet, *args):
        """The script, which a shell and shellcheck find nothing wrong with."""
        path = os.path.join(fleet.directory, "flavors.sh")
        self.expect(fleet.run("report", "--format", "openstack", "--output", path, *args), 0)
        subprocess.run(["sh", "-n", path], check=True)
        subprocess.run(["shellcheck", path], check=True)
        return path

    def sh(self, script, folder, *args, shell=("sh",)):
        return subprocess.run([*shell, script, *args], capture_output=True, text=True, check=False, timeout=120,
                              env=dict(os.environ, PATH=folder + ":" + os.environ["PATH"]))

    def calls(self, folder):
        """What the command was asked since the last time."""
        path = os.path.join(folder, "calls")
        with open(path, encoding="utf-8") as file:
            calls = [json.loads(line) for line in file]
        os.remove(path)
        return calls

    def flavors(self, folder):
        with open(os.path.join(folder, "flavors"), encoding="utf-8") as file:
            return json.load(file)

    def test_flavors(self):
        fleet = self.ready([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}], flavors=FLAVORS, nova={"release": "zed", "deployment": "none"})
        folder, script = self.stand_in(fleet), self.script(fleet)
        with open(script, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("#     4 ready on gpu[01-02]\n", text)
        self.assertIn("# It fits 4 times now, 4 times when all that is pending is ready.\nflavor 'gpu.1' ", text)
        self.assertIn("# It fits 0 times now", text, "two of the cards, and more memory than a host has for guests")

        first = self.sh(script, folder)
        self.assertEqual((first.returncode, first.stderr, first.stdout), (0, "", "flavor gpu.1: created\nflavor gpu.2: created\n"))
        self.assertIn(["flavor", "create", "--vcpus", "8", "--ram", "32768", "--disk", "100", "gpu.2"], self.calls(folder))
        made = self.flavors(folder)
        self.assertEqual(made["gpu.2"], {"vcpus": 8, "ram": 32768, "disk": 100, "properties": {
            "pci_passthrough:alias": "nvidia1080:2", "hw:hide_hypervisor_id": "true"}})

        # Again, with another shell: nothing is made, nothing is another.
        again = self.sh(script, folder, shell=("busybox", "sh"))
        self.assertEqual((again.returncode, again.stderr, again.stdout), (0, "", "flavor gpu.1: there\nflavor gpu.2: there\n"))
        self.assertEqual(self.flavors(folder), made)
        self.assertEqual([call[:2] for call in self.calls(folder)], 2 * [["flavor", "show"], ["flavor", "set"]])

        # Somebody else's flavor of that name: said, not changed.
        fleet.inventory_change(lambda inventory: inventory["flavors"][0].update(ram=1638))
        other = self.sh(self.script(fleet), folder)
        self.assertEqual(other.returncode, 0)
        self.assertIn('WARNING: flavor gpu.1: it has not ram="1638"', other.stderr)
        self.assertEqual(self.flavors(folder), made)
        self.calls(folder)

        # A cloud that doesn't answer ends it at once.
        with open(os.path.join(folder, "down"), "w", encoding="utf-8"):
            pass
        down = self.sh(script, folder)
        self.assertNotEqual(down.returncode, 0)
        self.assertIn("Unable to establish connection", down.stderr)
        self.assertEqual([call[:2] for call in self.calls(folder)], [["flavor", "show"], ["flavor", "create"]])

        # No such command.
        empty = os.path.join(fleet.directory, "empty")
        os.mkdir(empty)
        missing = subprocess.run([shutil.which("sh"), script], capture_output=True, text=True, check=False, env={"PATH": empty})
        self.assertEqual(missing.returncode, 1)
        self.assertIn("openstack command is missing", missing.stderr)

    def test_by_release(self):
        fleet = self.ready([{"name": "gpu01", "kind": "intel-nvidia"}], flavors=FLAVORS[:1], nova={"release": "rocky", "deployment": "none"})
        folder = self.stand_in(fleet)
        self.assertEqual(self.sh(self.script(fleet), folder).returncode, 0)
        self.assertEqual(self.flavors(folder)["gpu.1"]["properties"],
                         {"pci_passthrough:alias": "nvidia1080:1", "hide_hypervisor_id": "true"})
        os.remove(os.path.join(folder, "flavors"))
        self.calls(folder)

        # Pike has it on the image: which one, is asked before anything is done.
        fleet.inventory_change(lambda inventory: inventory.update(nova={"release": "pike", "deployment": "none"}))
        script = self.script(fleet)
        asked = self.sh(script, folder)
        self.assertNotEqual(asked.returncode, 0)
        self.assertIn("usage: sh", asked.stderr)
        self.assertFalse(os.path.exists(os.path.join(folder, "calls")))
        self.assertEqual(self.sh(script, folder, "an image").returncode, 0)
        self.assertEqual(self.calls(folder)[-1],
                         ["image", "set", "--property", "img_hide_hypervisor_id=true", "an image"])
        self.assertEqual(self.flavors(folder)["gpu.1"]["properties"], {"pci_passthrough:alias": "nvidia1080:1"})

    def test_numa_policy(self):
        gpus = [{"alias": "nvidia1080", "vendor": "10de", "device": "1b06", "numa_policy": "required"}]
        fleet = self.ready([{"name": "gpu01", "kind": "intel-nvidia"}], gpus=gpus, flavors=FLAVORS[:1], nova={"release": "zed", "deployment": "none"})
        folder, script = self.stand_in(fleet), self.script(fleet)
        wanted = {"pci_passthrough:alias": "nvidia1080:1", "hw:numa_nodes": "1", "hw:pci_numa_affinity_policy": "required",
                  "hw:hide_hypervisor_id": "true"}
        for _ in range(2):
            self.assertEqual(self.sh(script, folder).returncode, 0)
            self.assertEqual(self.flavors(folder)["gpu.1"]["properties"], wanted)

        # Somebody gave the flavor two nodes: they stay.
        with open(os.path.join(folder, "flavors"), "w", encoding="utf-8") as file:
            json.dump({"gpu.1": {"vcpus": 4, "ram": 16384, "disk": 50, "properties": {"hw:numa_nodes": "2"}}}, file)
        self.assertEqual(self.sh(script, folder).returncode, 0)
        self.assertEqual(self.flavors(folder)["gpu.1"]["properties"], {**wanted, "hw:numa_nodes": "2"})

    def test_nothing_to_make_yet(self):
        fleet = self.fleet([{"name": "gpu01", "kind": "intel-nvidia"}], {"flavors": FLAVORS[:1]})
        self.expect(fleet.run("scan"), 0)
        folder = self.stand_in(fleet)
        result = self.sh(self.script(fleet), folder)
        self.assertEqual(result.returncode, 0)
        self.assertIn("WARNING: flavor gpu.1: no host offers these GPUs yet", result.stderr)
        self.calls(folder)
        # Without flavors they are proposed, and nothing is done.
        fleet.inventory_change(lambda inventory: inventory.pop("flavors"))
        script = self.script(fleet)
        self.assertEqual(self.sh(script, folder).returncode, 0)
        self.assertFalse(os.path.exists(os.path.join(folder, "calls")))
        # The proposal is one: without its "# " it does what the others do.
        with open(script, encoding="utf-8") as file:
            text = file.read().replace("# flavor '", "flavor '").replace("# openstack ", "openstack ").replace("# \t--", "\t--")
        with open(script, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertEqual(self.sh(script, folder).returncode, 0)
        self.assertEqual(self.flavors(folder)["gpu.nvidia1080"]["properties"],
                         {"pci_passthrough:alias": "nvidia1080:1", "hw:hide_hypervisor_id": "true"})

    def hostdevs(self, text):
        """[(guest bus, {host address: guest function})] in their order, of a document that libvirt's schemas take."""
        checked = subprocess.run(["virt-xml-validate", "-"], input=text, capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr + text)
        root, cards = ET.fromstring(text), {}
        self.assertEqual(root.find("features/kvm/hidden").get("state"), "on")
        for hostdev in root.findall("devices/hostdev"):
            host, guest = hostdev.find("source/address"), hostdev.find("address")
            self.assertEqual(hostdev.get("managed"), "no")
            address = "%04x:%02x:%02x.%x" % tuple(int(host.get(key), 16) for key in ("domain", "bus", "slot", "function"))
            cards.setdefault(guest.get("bus"), {})[address] = int(guest.get("function"), 16)
            self.assertEqual(guest.get("multifunction"), "on" if int(guest.get("function"), 16) == 0 else None)
        return cards

    def test_libvirt(self):
        fleet = self.fleet([{"name": "gpu", "count": 2, "kind": "intel-nvidia"}])
        self.expect(fleet.run("scan"), 0)
        before = self.expect(fleet.run("report", "--format", "libvirt"), 0).out
        self.assertEqual(self.hostdevs(before), {})
        self.expect(fleet.run("apply", "--yes", "--limit", "gpu01"), 0)
        cards = {"0x01": {"0000:01:00.0": 0, "0000:01:00.1": 1}, "0x02": {"0000:02:00.0": 0, "0000:02:00.1": 1}}
        one = self.expect(fleet.run("report", "--format", "libvirt", "--limit", "gpu01"), 0).out
        self.assertEqual(self.hostdevs(one), cards)
        self.assertIn("<!-- gpu01 0000:02:00.0: ", one)
        # All hosts' in one document, still; of gpu02 nothing is ready.
        path = os.path.join(fleet.directory, "gpus.xml")
        self.expect(fleet.run("report", "--format", "libvirt", "--output", path), 0)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(self.hostdevs(file.read()), cards)


if __name__ == "__main__":
    main()
