#!/usr/bin/env python3
"""IOMMU groups that were predicted, beside those that a kernel made: the topologies of one virtual machine, and the comparison.

    groups.py qemu                                     prints QEMU's arguments for the machine's devices, one a line
    groups.py split CONSOLE DIRECTORY                  takes what groups-init wrote apart: facts.json and real.groups
    groups.py table TOOL DIRECTORY WITH [WITHOUT…]     predictions from the boots WITHOUT, beside the groups of the boot WITH
                                                       (folders of DIRECTORY); exit status 1 unless all are equal

Every topology hangs off slots of its own on the root bus, so that a device belongs to the one that the first address on its
way up names. Bridges without ACS are those with disable-acs=on, and QEMU's x3130 switch, which has none.
"""

import json
import os
import subprocess
import sys

PORT = "pcie-root-port,id={id},chassis={chassis},bus=pcie.0,addr={addr}"

# Name; the root bus's slots; devices. `xhci`, `bochs-display` and `e1000e` are PCI Express endpoints, `edu` and `pci-testdev` conventional.
TOPOLOGIES = (
    ("root port with ACS", "02", [
        (PORT, "a1", "2.0"),
        "qemu-xhci,bus=a1"]),
    ("root port without ACS", "03", [
        (PORT + ",disable-acs=on", "b1", "3.0"),
        "qemu-xhci,bus=b1"]),
    ("multifunction endpoint", "04", [
        (PORT, "c1", "4.0"),
        "bochs-display,bus=c1,addr=0.0,multifunction=on", "qemu-xhci,bus=c1,addr=0.1", "ich9-intel-hda,bus=c1,addr=0.2"]),
    ("two ports without ACS in one slot", "05", [
        (PORT + ",multifunction=on,disable-acs=on", "d1", "5.0"), (PORT + ",disable-acs=on", "d2", "5.1"),
        "qemu-xhci,bus=d1", "bochs-display,bus=d2"]),
    ("two ports in one slot, one with ACS", "06", [
        (PORT + ",multifunction=on", "e1", "6.0"), (PORT + ",disable-acs=on", "e2", "6.1"),
        "qemu-xhci,bus=e1", "bochs-display,bus=e2"]),
    ("PCIe-to-PCI bridge", "07", [
        (PORT, "f1", "7.0"),
        "pcie-pci-bridge,id=f2,bus=f1", "edu,bus=f2,addr=1", "pci-testdev,bus=f2,addr=2",
        "pci-bridge,id=f3,chassis_nr=77,shpc=off,bus=f2,addr=3", "edu,bus=f3,addr=1"]),
    ("PCIe-to-PCI bridge on the root bus", "08", [
        "pcie-pci-bridge,id=g1,bus=pcie.0,addr=8.0", "edu,bus=g1,addr=1", "edu,bus=g1,addr=2"]),
    ("switch below a port with ACS", "09", [
        (PORT, "h1", "9.0"),
        "x3130-upstream,id=h2,bus=h1", "xio3130-downstream,id=h3,bus=h2,chassis=81,slot=81,addr=0",
        "xio3130-downstream,id=h4,bus=h2,chassis=82,slot=82,addr=1", "qemu-xhci,bus=h3", "bochs-display,bus=h4"]),
    ("switch below a port without ACS", "0a", [
        (PORT + ",disable-acs=on", "i1", "a.0"),
        "x3130-upstream,id=i2,bus=i1", "xio3130-downstream,id=i3,bus=i2,chassis=83,slot=83,addr=0",
        "xio3130-downstream,id=i4,bus=i2,chassis=84,slot=84,addr=1", "qemu-xhci,bus=i3", "bochs-display,bus=i4"]),
    ("upstream port beside another function", "0b", [
        (PORT, "j1", "b.0"),
        "x3130-upstream,id=j2,bus=j1,multifunction=on,addr=0.0", "qemu-xhci,bus=j1,addr=0.1",
        "xio3130-downstream,id=j3,bus=j2,chassis=85,slot=85,addr=0", "xio3130-downstream,id=j4,bus=j2,chassis=86,slot=86,addr=1",
        "bochs-display,bus=j3", "qemu-xhci,bus=j4"]),
    ("ports of a switch in one slot", "0c", [
        (PORT, "k1", "c.0"),
        "x3130-upstream,id=k2,bus=k1", "xio3130-downstream,id=k3,bus=k2,chassis=87,slot=87,addr=0.0,multifunction=on",
        "xio3130-downstream,id=k4,bus=k2,chassis=88,slot=88,addr=0.1", "qemu-xhci,bus=k3", "bochs-display,bus=k4"]),
    ("conventional devices on the root bus", "0d 0e", [
        "edu,bus=pcie.0,addr=d.0,multifunction=on", "ich9-intel-hda,bus=pcie.0,addr=d.1", "pci-testdev,bus=pcie.0,addr=e.0"]),
    ("conventional bridge on the root bus", "0f", [
        "i82801b11-bridge,id=l1,bus=pcie.0,addr=f.0", "edu,bus=l1,addr=1", "pci-testdev,bus=l1,addr=2"]),
    ("integrated endpoints", "10", [
        "qemu-xhci,bus=pcie.0,addr=10.0,multifunction=on", "bochs-display,bus=pcie.0,addr=10.1"]),
    ("integrated endpoints of Intel's", "11", [
        "e1000e,romfile=,bus=pcie.0,addr=11.0,multifunction=on", "e1000e,romfile=,bus=pcie.0,addr=11.1"]),
    ("Intel's root port", "12", [
        "ioh3420,id=m1,chassis=90,slot=90,bus=pcie.0,addr=12.0", "qemu-xhci,bus=m1"]),
    ("SR-IOV below a port with ACS", "13", [
        (PORT, "n1", "13.0"),
        "nvme-subsys,id=nvs1", "nvme,serial=gf1,subsys=nvs1,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,bus=n1"]),
    ("SR-IOV below a port without ACS", "14", [
        (PORT + ",disable-acs=on", "o1", "14.0"),
        "nvme-subsys,id=nvs2", "nvme,serial=gf2,subsys=nvs2,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,bus=o1"]),
)


def qemu_arguments():
    chassis = 0
    for _, _, devices in TOPOLOGIES:
        for device in devices:
            if isinstance(device, tuple):
                chassis += 1
                template, name, address = device
                device = template.format(id=name, chassis=chassis, addr=address)
            yield "-device"
            yield device


def split(console, directory):
    """The serial line's output: "FACTS" before the facts, "GROUP number address" lines, "END"."""
    with open(console, encoding="utf-8", errors="replace") as file:
        lines = file.read().replace("\r", "").splitlines()
    if "END" not in lines:
        sys.exit(f"{console}: the machine did not come to its end")
    answers = [json.loads(line) for line in lines if line.startswith('{"id":1,')]
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "facts.json"), "w", encoding="utf-8") as file:
        json.dump(answers[0]["result"], file)
        file.write("\n")
    groups = {}
    for line in lines:
        words = line.split()
        if len(words) == 3 and words[0] == "GROUP":
            groups.setdefault(words[1], []).append(words[2])
    with open(os.path.join(directory, "real.groups"), "w", encoding="utf-8") as file:
        file.writelines(" ".join(sorted(group)) + "\n" for group in groups.values())


def facts(*parts):
    with open(os.path.join(*parts, "facts.json"), encoding="utf-8") as file:
        return json.load(file)


def real(*parts):
    with open(os.path.join(*parts, "real.groups"), encoding="utf-8") as file:
        return {frozenset(line.split()) for line in file}


def predicted(tool, *parts):
    """Groups from a boot's facts; one that is not certain has a member "?"."""
    with open(os.path.join(*parts, "facts.json"), encoding="utf-8") as file:
        output = subprocess.run([tool], stdin=file, check=True, capture_output=True, text=True).stdout
    return {frozenset(line.replace("?", "? ").split()) for line in output.splitlines()}


def within(groups, members):
    """The groups that have one of these members."""
    return {group for group in groups if group & members}


def shown(groups):
    short = [" ".join(address.removeprefix("0000:") for address in sorted(group)) for group in groups]
    return ", ".join(f"{{{group}}}" for group in sorted(short))


def row(name, members, foreseen, made, every):
    equal = foreseen == made and members <= frozenset().union(*made)
    if every or not equal:
        print(f"| {name} | {shown(foreseen)} | {shown(made) if not equal else 'the same'} | {'yes' if equal else 'NO'} |")
    return equal


def topologies(document):
    """Name → the addresses of its devices; what is in none is the board's own."""
    slots = {f"0000:00:{slot}": name for name, used, _ in TOPOLOGIES for slot in used.split()}
    result = {name: set() for name, _, _ in TOPOLOGIES}
    result["the board's own devices"] = set()
    for device in document["pci"]:
        root = (device["path"] + [device["address"]])[0]
        result[slots.get(root[:-2], "the board's own devices")].add(device["address"])
    return result


def compare(tool, directory, boot, made, document, every):
    """The prediction from one boot's facts, for each topology; prints EVERY row, or those that differ. What the IOMMU's boot has besides (the IOMMU's own function)
    and what is in no group there cannot be compared."""
    grouped = frozenset().union(*made)
    seen = {device["address"] for device in facts(directory, boot)["pci"]}
    foreseen = {group & (grouped | {"?"}) for group in predicted(tool, directory, boot)} - {frozenset()}
    made = {group & seen for group in made} - {frozenset()}
    left = sorted({device["address"] for device in document["pci"]} ^ seen | seen - grouped)
    if left and every:
        print(f"| (not compared, since they are in no group or not in both boots) | {' '.join(left)} | | |")
    equal = True
    for name, members in topologies(document).items():
        members &= seen & grouped
        if members:
            equal = row(name, members, within(foreseen, members), within(made, members), every) and equal
        elif not name.startswith("the board"):
            print(f"| {name} | no device of it was seen | | NO |")
            equal = False
    return equal


def table(tool, directory, with_iommu, without):
    document, made, equal = facts(directory, with_iommu), real(directory, with_iommu), True
    if len(made) < 2:
        print(f"{with_iommu}: the kernel made no groups")
        return False
    print(f"\nPredicted from the boot {without[0]}, beside the groups of the boot {with_iommu} (kernel {document['host']['kernel']}):\n\n"
          "| topology | predicted | the kernel's | equal |\n|---|---|---|---|")
    for boot in (*without, with_iommu):
        if boot != with_iommu and real(directory, boot):
            print(f"{boot}: there are groups already")
            equal = False
        same = compare(tool, directory, boot, made, document, boot == without[0])
        if boot != without[0]:
            print(f"From the boot {boot}: {'the same' if same else 'NOT EQUAL'}")
        equal = equal and same
    return equal


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "qemu":
        print("\n".join(qemu_arguments()))
    elif command == "split" and len(sys.argv) == 4:
        split(*sys.argv[2:])
    elif command == "table" and len(sys.argv) > 4:
        sys.exit(0 if table(*sys.argv[2:5], sys.argv[5:]) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
