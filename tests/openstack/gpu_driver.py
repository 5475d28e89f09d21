"""A hypervisor for nova-compute without one: Nova's own fake driver, which starts no guest, with the PCI devices that this
host's /sys/bus/pci shows, told as Nova's libvirt driver tells them (nova/virt/libvirt/host.py, _get_device_type; libvirt's
src/conf/node_device_conf.c: a device with sriov_totalvfs is a physical function, also while it has no virtual functions)."""

import os

from oslo_serialization import jsonutils

from nova.virt import fake

SYSFS = "/sys/bus/pci/devices"


def read(address, name, missing="0"):
    try:
        with open(os.path.join(SYSFS, address, name), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return missing


def device(address):
    vendor, product = (read(address, name)[2:] for name in ("vendor", "device"))
    return {
        "dev_id": "pci_" + address.replace(":", "_").replace(".", "_"), "address": address, "vendor_id": vendor,
        "product_id": product, "numa_node": int(read(address, "numa_node", "-1")), "label": f"label_{vendor}_{product}",
        "dev_type": "type-PF" if int(read(address, "sriov_totalvfs")) > 0 else "type-PCI", "parent_addr": None,
    }


class GpuDriver(fake.FakeDriver):
    def get_available_resource(self, nodename):
        status = super().get_available_resource(nodename)
        status["pci_passthrough_devices"] = jsonutils.dumps([device(address) for address in sorted(os.listdir(SYSFS))])
        return status
