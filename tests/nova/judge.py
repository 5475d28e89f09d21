"""Nova itself (Debian's python3-nova, Zed) as the judge: what it reads, accepts and matches."""
import contextlib
import os
import re
import tempfile
from unittest import mock

import nova.conf
from nova import exception, objects
from nova.pci import request, stats, whitelist

CONF = nova.conf.CONF
RELEASE = 26

objects.register_all()


def read_conf(lines):
    """Lets oslo.config read a nova.conf with these [(section, name, value) …]."""
    handle, path = tempfile.mkstemp(prefix="gpufleet-judge-", suffix=".conf")
    with os.fdopen(handle, "w") as file:
        for section in dict.fromkeys(line[0] for line in lines):
            file.write(f"[{section}]\n")
            file.writelines(f"{name} = {value}\n" for where, name, value in lines if where == section)
    try:
        CONF([], project="nova", default_config_files=[path])
        return list(CONF.pci.device_spec), list(CONF.pci.alias)
    finally:
        os.unlink(path)


def device_type(device):
    if device.get("physical_function"):
        return "type-VF"
    return "type-PF" if device["sriov"] and device["sriov"]["total"] > 0 else "type-PCI"


class Host:
    """A made-up host: where Nova asks sysfs for physical functions and interfaces, it asks this."""

    def __init__(self, devices):
        self.devices = devices
        self.physical = {d["address"] for d in devices if d["sriov"] and d["sriov"]["total"] > 0}

    def _is_physical(self, domain, bus, slot, function):
        return f"{domain}:{bus}:{slot}.{function}" in self.physical

    def sysfs(self):
        patches = contextlib.ExitStack()
        patches.enter_context(mock.patch("nova.pci.utils.is_physical_function", self._is_physical))
        patches.enter_context(mock.patch("nova.pci.utils.get_function_by_ifname", self._interface))
        return patches

    def _interface(self, name):
        nic = next((d["address"] for d in self.devices if d["class"] == "0200" and name == "nic0"), None)
        return nic, nic in self.physical

    def specs(self, values):
        """[(entry, spec) …] of the values; raises what nova-compute would end with."""
        with self.sysfs():
            return [(i, spec) for i, value in enumerate(values) for spec in whitelist.Whitelist([value]).specs]

    def offered(self, values):
        """{address: entry}: the first entry that matches each device."""
        found = {}
        with self.sysfs():
            specs = self.specs(values)
            for device in self.devices:
                facts = {"vendor_id": device["vendor"], "product_id": device["device"],
                         "address": device["address"], "parent_addr": device.get("physical_function")}
                try:
                    entry = next((i for i, spec in specs if spec.match(facts)), None)
                except exception.PciConfigInvalidSpec:
                    continue  # nova.pci.manager skips a device whose address it can't read
                if entry is not None:
                    found[device["address"]] = entry
        return found

    def pools(self, values):
        """What the scheduler sees of the host."""
        with self.sysfs():
            pools = stats.PciDeviceStats(objects.NUMATopology(cells=[]), dev_filter=whitelist.Whitelist(values))
            offered = self.offered(values)
            for device in self.devices:
                if device["address"] not in offered:
                    continue
                pools.add_device(objects.PciDevice(
                    compute_node_id=1, address=device["address"], vendor_id=device["vendor"],
                    product_id=device["device"], dev_type=device_type(device), numa_node=None, status="available",
                    parent_addr=device.get("physical_function"), extra_info={}, request_id=None, instance_uuid=None))
        return pools


def aliases():
    """What nova.pci.request makes of CONF.pci.alias; raises PciInvalidAlias."""
    return request._get_alias_from_config()


def supports(pools, alias, count):
    """Could a flavor with pci_passthrough:alias=ALIAS:COUNT be scheduled there?"""
    requests = request._translate_alias_to_requests(f"{alias}:{count}")
    return pools.support_requests(requests)


def alias_refused(values):
    """Why nova-api refuses these values of alias, or None."""
    with mock.patch.object(CONF, "pci", mock.Mock(alias=values)):
        try:
            request._get_alias_from_config()
        except exception.PciInvalidAlias as error:
            return re.sub(r"\s+", " ", str(error))
    return None
