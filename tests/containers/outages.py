#!/usr/bin/env python3
"""When was which host down? From the hosts' own records of their sshds alone: each NAME.sshd in a directory is what

    journalctl -o json --output-fields=MESSAGE,_BOOT_ID,_SOURCE_REALTIME_TIMESTAMP -t sshd

says in that host. A host is down from "Received signal 15; terminating." to "Server listening on …"."""

import argparse
import datetime
import json
import os
import sys


class Host:
    """changes: (seconds, up?) in the order of time; boots: (seconds, boot id), each boot once."""

    def __init__(self, name, domain, lines=()):
        self.name, self.domain = name, domain
        self.changes, self.boots = [], []
        for line in lines:
            entry = json.loads(line)
            message = entry["MESSAGE"]
            if not isinstance(message, str) or not message.startswith(("Server listening on ", "Received signal 15")):
                continue
            at = int(entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]) / 1e6
            up = message.startswith("Server")
            self.changes.append((at, up))
            if up and entry["_BOOT_ID"] not in (boot for _, boot in self.boots):
                self.boots.append((at, entry["_BOOT_ID"]))
        self.changes.sort()

    def outages(self, begin, end):
        """(down at, up again at) inside the time from begin to end; one that has no end by then ends there."""
        found, down = [], begin
        for at, up in self.changes:
            if up and down is not None:
                found.append((down, at))
                down = None
            elif not up and down is None:
                down = at
        if down is not None:
            found.append((down, end))
        return [(max(down, begin), min(up, end)) for down, up in found if up > begin and down < end]

    def reboots(self, begin, end):
        """How many boots began; a host's first one is no reboot."""
        return sum(begin <= at < end for at, _ in self.boots[1:])


def most_at_once(hosts, begin, end):
    """How many of the hosts were down at the worst instant, which that was, and who they were."""
    steps = sorted(step for host in hosts for down, up in host.outages(begin, end)
                   for step in ((down, 0, host.name), (up, 1, host.name)))
    now, worst, when, who = set(), 0, begin, ()
    for at, is_up, name in steps:
        (now.discard if is_up else now.add)(name)
        if len(now) > worst:
            worst, when, who = len(now), at, tuple(sorted(now))
    return worst, when, who


def clock(at):
    return datetime.datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]


def limits_broken(hosts, begin, end, limit, per_domain):
    for name, group, allowed in [("", hosts, limit)] + [
            (f" in {domain}", [host for host in hosts if host.domain == domain], per_domain)
            for domain in sorted({host.domain for host in hosts})]:
        worst, when, who = most_at_once(group, begin, end)
        if worst > allowed:
            yield f"{worst} hosts were down at once{name} at {clock(when)}, {allowed} may be: {' '.join(who)}"


def waves_broken(hosts, begin, end, shares):
    """No host of a wave goes down before every host of those before it is up again."""
    for first, last in zip(shares, shares[1:]):
        # One that was down before is not waited for.
        back = max([(up, host.name) for host in hosts[:first] for down, up in host.outages(begin, end) if down > begin],
                   default=(begin, ""))
        for host in hosts[first:last]:
            for down, _ in host.outages(begin, end):
                if down < back[0] and down > begin:
                    yield f"{host.name} went down at {clock(down)}, before {back[1]} of an earlier wave was back at {clock(back[0])}"


def reboots_broken(hosts, begin, end, untouched):
    for host in hosts:
        count, wanted = host.reboots(begin, end), 0 if host.name in untouched else 1
        if count != wanted:
            yield f"{host.name} booted {count} times instead of {wanted}"


COLUMNS = "{:14} {:>5} {:>7} {:>7} {:>12}  {:>17}  {}"
HEADING = COLUMNS.format("", "hosts", "reboots", "seconds", "each away, s", "most down at once", "in a domain")


def row(name, hosts, begin, end):
    times = [up - down for host in hosts for down, up in host.outages(begin, end) if begin < down and up < end]
    domains = [most_at_once([host for host in hosts if host.domain == domain], begin, end)[0]
               for domain in sorted({host.domain for host in hosts})]
    return COLUMNS.format(name, len(hosts), sum(host.reboots(begin, end) for host in hosts), round(end - begin),
                          f"{min(times):.1f} to {max(times):.1f}" if times else "-", most_at_once(hosts, begin, end)[0],
                          " ".join(map(str, domains)))


def timeline(hosts, begin, end):
    steps = sorted(step for host in hosts for down, up in host.outages(begin, end)
                   for step in ((down, "down", host), (up, "up", host)))
    now = set()
    for at, what, host in steps:
        (now.discard if what == "up" else now.add)(host.name)
        print(f"{clock(at)} {host.name} ({host.domain}) {what:4}  down now: {' '.join(sorted(now)) or '-'}")


def read(inventory, directory):
    """The inventory's compute hosts in its order, which is that of the waves; they are listed one by one there."""
    with open(inventory, encoding="utf-8") as file:
        groups = json.load(file)["groups"]
    hosts = []
    for group in groups.values():
        for name in group["hosts"]:
            with open(os.path.join(directory, name + ".sshd"), encoding="utf-8") as file:
                hosts.append(Host(name, group["domain"], file))
    return hosts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["limits", "waves", "reboots", "row", "timeline"])
    parser.add_argument("inventory")
    parser.add_argument("directory")
    parser.add_argument("begin", type=float)
    parser.add_argument("end", type=float)
    parser.add_argument("--most", type=int, help="how many may be down at once")
    parser.add_argument("--per-domain", type=int, help="and in one domain")
    parser.add_argument("--shares", type=int, nargs="+", help="up to which host each wave goes")
    parser.add_argument("--untouched", nargs="*", default=[], help="who is not to be rebooted")
    options = parser.parse_args()
    hosts = read(options.inventory, options.directory)
    span = hosts, options.begin, options.end
    if options.what == "timeline":
        timeline(*span)
        return
    if options.what == "row":
        print(HEADING)
        print(row(os.path.basename(options.directory), *span))
        return
    broken = list({"limits": lambda: limits_broken(*span, options.most, options.per_domain),
                   "waves": lambda: waves_broken(*span, options.shares),
                   "reboots": lambda: reboots_broken(*span, options.untouched)}[options.what]())
    if broken:
        sys.exit("\n".join(broken))


if __name__ == "__main__":
    main()
