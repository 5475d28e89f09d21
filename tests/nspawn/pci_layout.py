#!/usr/bin/python3
"""Lays out, at each boot of the compute host, the files in which a kernel would show its PCI devices, IOMMU, interrupts and
processor, and binds them over the real ones: pci_layout.py DIRECTORY. What is in each file: the kernel's
Documentation/ABI/testing/sysfs-bus-pci; the configuration space: include/uapi/linux/pci_regs.h."""

import os
import shutil
import struct
import subprocess
import sys

# address, vendor:device, class, driver, IOMMU group, what else. Every device is of NUMA node 0.
DEVICES = [
    ("0000:00:02.0", "8086:2f04", 0x060400, "pcieport", 1, {"bus": 0x81}),
    ("0000:81:00.0", "10de:1b06", 0x030000, "vfio-pci", 20, {"bar": 16 << 20}),
    ("0000:81:00.1", "10de:10ef", 0x040300, "vfio-pci", 20, {}),
    ("0000:00:03.0", "8086:2f08", 0x060400, "pcieport", 2, {"bus": 0x82}),
    ("0000:82:00.0", "10de:1b06", 0x030000, "vfio-pci", 21, {"bar": 16 << 20}),
    ("0000:82:00.1", "10de:10ef", 0x040300, "vfio-pci", 21, {}),
    # A card that can be split into virtual functions and is not: libvirt tells Nova of a physical function.
    ("0000:00:04.0", "8086:2f09", 0x060400, "pcieport", 3, {"bus": 0x83}),
    ("0000:83:00.0", "10de:2235", 0x030200, "vfio-pci", 22, {"bar": 16 << 20, "sriov": 32}),
    # What a careless device_spec would give away.
    ("0000:00:1b.0", "144d:a808", 0x010802, "nvme", 30, {"bar": 16384}),
    ("0000:00:1f.0", "8086:1521", 0x020000, "igb", 31, {"bar": 1 << 20}),
]
PARENTS = {f"0000:{more['bus']:02x}": address for address, _, _, _, _, more in DEVICES if "bus" in more}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as file:  # pylint: disable=unspecified-encoding
        file.write(text)


def link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def config_space(vendor, device, class_code, more):
    config = bytearray(4096)
    struct.pack_into("<HHHHBBH", config, 0, vendor, device, 0x0006, 0x0010, 0xa1, class_code & 0xff, class_code >> 8)
    config[0x34] = 0x78
    struct.pack_into("<HH", config, 0x78, 0x0010, 2 | (4 << 4 if "bus" in more else 0))  # PCI Express
    struct.pack_into("<I", config, 0x7c, 1 << 28)  # it can be reset by itself
    if "bus" in more:
        config[0x0e] = 1
        config[0x18:0x1b] = bytes((0, more["bus"], more["bus"]))
        struct.pack_into("<IHH", config, 0x100, 0x000d | 1 << 16, 0x1f, 0x1d)  # access control (ACS)
    else:
        struct.pack_into("<HH", config, 0x2c, vendor, 0x1234)
    if "sriov" in more:
        struct.pack_into("<I", config, 0x100, 0x0010 | 1 << 16)
        struct.pack_into("<H", config, 0x10e, more["sriov"])
    return bytes(config)


def device_lay_out(sys_dir, address, ids, class_code, driver, group, more, start):
    vendor, device = (int(word, 16) for word in ids.split(":"))
    parent = PARENTS.get(address[:7])
    place = os.path.join(sys_dir, "devices/pci0000:00", parent or "", address)
    bar = more.get("bar", 4096)
    files = {
        "vendor": f"0x{vendor:04x}\n", "device": f"0x{device:04x}\n", "subsystem_vendor": f"0x{vendor:04x}\n",
        "subsystem_device": "0x1234\n", "class": f"0x{class_code:06x}\n", "revision": "0xa1\n",
        "modalias": f"pci:v{vendor:08X}d{device:08X}sv{vendor:08X}sd00001234bc{class_code >> 16:02X}"
                    f"sc{class_code >> 8 & 0xff:02X}i{class_code & 0xff:02X}\n",
        "resource": f"0x{start:016x} 0x{start + bar - 1:016x} 0x0000000000040200\n" + "0x0 0x0 0x0\n" * 12,
        "irq": "16\n", "numa_node": "0\n", "enable": "1\n", "driver_override": "(null)\n", "power_state": "D0\n",
        "d3cold_allowed": "1\n", "reset_method": "flr bus\n", "config": config_space(vendor, device, class_code, more),
    }
    if class_code >> 8 == 0x0300:
        files["boot_vga"] = "0\n"
    if "sriov" in more:
        files.update({"sriov_totalvfs": f"{more['sriov']}\n", "sriov_numvfs": "0\n"})
    for name, text in files.items():
        write(os.path.join(place, name), text)
    os.makedirs(f"{sys_dir}/bus/pci/drivers/{driver}", exist_ok=True)
    group_dir = f"{sys_dir}/kernel/iommu_groups/{group}"
    if not os.path.exists(group_dir):
        write(f"{group_dir}/type", "DMA-FQ\n")
        write(f"{group_dir}/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n")
    link(place, f"{group_dir}/devices/{address}")
    link(group_dir, f"{place}/iommu_group")
    link(f"{sys_dir}/bus/pci/drivers/{driver}", f"{place}/driver")
    link(place, f"{sys_dir}/bus/pci/drivers/{driver}/{address}")
    link(place, f"{sys_dir}/bus/pci/devices/{address}")
    return start + max(bar, 4096)


def with_virtualization(text):
    """The flag that a processor shows whose firmware lets it run guests; a container shows its host's."""
    flag = "vmx" if "GenuineIntel" in text else "svm"
    return "".join(line.rstrip("\n") + f" {flag}\n" if line.startswith("flags") and f" {flag} " not in line else line
                   for line in text.splitlines(keepends=True))


def vfio_lay_out():
    """What a host has that somebody set up by hand: ids for the next boot, and vfio in the running kernel, which is not this
    container's own."""
    ids = sorted({ids for _, ids, _, driver, _, _ in DEVICES if driver == "vfio-pci"})
    write("/etc/modprobe.d/vfio.conf", f"options vfio-pci ids={','.join(ids)}\n")
    write(f"/lib/modules/{os.uname().release}/modules.builtin", "kernel/drivers/vfio/vfio_iommu_type1.ko\n")


def main():
    directory = sys.argv[1]
    sys_dir = os.path.join(directory, "sys")
    shutil.rmtree(directory, ignore_errors=True)
    start = 0x80000000
    for device in DEVICES:
        start = device_lay_out(sys_dir, *device, start)
    write(f"{sys_dir}/bus/pci/drivers_probe", "")
    os.makedirs(f"{sys_dir}/devices/virtual/iommu/dmar0")
    link(f"{sys_dir}/devices/virtual/iommu/dmar0", f"{sys_dir}/class/iommu/dmar0")
    with open("/proc/interrupts", encoding="utf-8") as file:
        write(f"{directory}/proc/interrupts", file.read() + " 120:   0   0  IR-PCI-MSI-0000:00:1f.0  0-edge  eth0\n")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        write(f"{directory}/proc/cpuinfo", with_virtualization(file.read()))
    write(f"{sys_dir}/firmware/acpi/tables/DMAR", "DMAR")
    vfio_lay_out()
    for place in ("sys/bus/pci", "sys/kernel/iommu_groups", "sys/class/iommu", "sys/firmware/acpi/tables", "proc/interrupts", "proc/cpuinfo"):
        subprocess.run(["mount", "--bind", f"{directory}/{place}", f"/{place}"], check=True)


main()
