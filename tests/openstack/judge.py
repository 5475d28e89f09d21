"""What Nova's own code makes of a host's configuration: judge.py nova-compute|nova-api|nova-scheduler

Reads the configuration files that the running service was given, or Nova's default ones, through nova.conf, and prints
a line for each PCI device of this host that Nova would offer, for each alias that it would resolve, and for each filter
that the scheduler would use. What Nova refuses ends this program with Nova's own error."""

import glob
import json
import os
import sys

from nova import conf
from nova.pci import request, whitelist


def arguments(service):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                words = file.read().split("\0")
        except OSError:
            continue
        if any(os.path.basename(word) == service for word in words[:2]):
            return words
    return []


def main():
    service = sys.argv[1]
    files = [word.split("=", 1)[1] for word in arguments(service) if word.startswith("--config-file=")]
    conf.CONF([], project="nova", default_config_files=files or ["/etc/nova/nova.conf"])
    if service == "nova-compute":
        from nova.virt import gpufleet_bed  # pylint: disable=import-outside-toplevel

        spec = whitelist.Whitelist(conf.CONF.pci.device_spec)
        for address in sorted(os.listdir(gpufleet_bed.SYSFS)):
            if spec.device_assignable(gpufleet_bed.device(address)):
                print("device", address)
    if service in ("nova-compute", "nova-api"):
        for name, (policy, specs) in sorted(request._get_alias_from_config().items()):  # pylint: disable=protected-access
            print("alias", name, policy, json.dumps(specs, sort_keys=True))
    if service == "nova-scheduler":
        for name in conf.CONF.filter_scheduler.enabled_filters:
            print("filter", name)


main()
