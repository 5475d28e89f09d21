#!/usr/bin/env python3
"""What controller/nova computes, judged by Nova's own code. What is expected comes from Nova and from how each host
was made up, never from gpufleet.

Usage: test_judge.py NOVA_TOOL
"""
import itertools
import json
import random
import subprocess
import sys

try:
    import judge
except ImportError as error:
    print(f"skipped: {error}; install python3-nova")
    sys.exit(77)

from nova.scheduler import filters as nova_filters

HOSTS = 200      # made-up hosts that are configured
ENTRIES = 1500   # lists of foreign device_spec entries
ALIASES = 1000   # lists of foreign aliases

wrong = []


def fault(what, *details):
    wrong.append(what)
    if len(wrong) <= 10:
        print(f"FAILED: {what}", *details, sep="\n    ")


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"nova_tool ended at {json.dumps(question)[:2000]}")
        answer = json.loads(line)
        if "error" in answer:
            fault(answer, json.dumps(question)[:500])
        return answer


def device(address, vendor, product, klass, *, total=None, used=0, of=None, subsystem=None):
    return {"address": address, "vendor": vendor, "device": product, "class": klass,
            "header": "bridge" if klass.startswith("06") else "endpoint", "driver": None,
            "subsystem_vendor": subsystem and subsystem[:4], "subsystem_device": subsystem and subsystem[5:],
            "sriov": None if total is None else {"total": total, "used": used}, "physical_function": of}


def facts(devices, release="26.2.1"):
    options = {}
    return {"facts": 1, "host": {"guests": []}, "pci": devices,
            "nova": {"deployment": "debian", "release": release, "files": [], "problems": [],
                     "services": [{"name": "nova-compute", "options": options}]}}


# ---- hosts that are configured ----

MODELS = [("10de", "1b06", "0300", None), ("10de", "20b0", "0302", 16), ("10de", "2235", "0302", 32),
          ("1002", "66a1", "0380", None), ("1002", "740f", "1200", 8), ("8086", "56c0", "0380", 31)]
SUBSYSTEMS = ["1462:3609", "10de:1450", "1043:85e5"]


def make_host(rng):
    """Devices, the inventory's `gpus`, and of each alias the addresses that are wanted by construction."""
    devices = [device("0000:00:00.0", "8086", "1901", "0600"), device("0000:00:01.0", "8086", "1901", "0604"),
               device("0000:00:1f.2", "8086", "a352", "0106"),
               device("0000:05:00.0", "1a03", "2000", "0300")]
    bus = itertools.count(0x10)
    cards = []
    for model in rng.sample(MODELS, rng.randint(1, 3)):
        for _ in range(rng.randint(1, 4)):
            at = f"{rng.choice(['0000', '0000', '0000', '0001'])}:{next(bus):02x}:00"
            subsystem = rng.choice(SUBSYSTEMS)
            total = None if model[3] is None else rng.choice([model[3]] * 8 + [0])
            cards.append(device(f"{at}.0", *model[:3], total=total, subsystem=subsystem))
            if rng.random() < 0.7:
                devices.append(device(f"{at}.1", model[0], "10ef", "0403", subsystem=subsystem))
            if rng.random() < 0.2:
                devices.append(device(f"{at}.2", model[0], "1ad6", "0c03", subsystem=subsystem))
    # An audio function with the very ids of a GPU of another model: ids say nothing of the kind.
    nic = device(f"0000:{next(bus):02x}:00.0", "15b3", "1017", "0200", total=8, used=2)
    devices.append(nic)
    devices += [device(f"{nic['address'][:-1]}{i}", "15b3", "1018", "0200", of=nic["address"]) for i in (1, 2)]
    if rng.random() < 0.3:
        card = rng.choice(cards)
        if card["sriov"] and card["sriov"]["total"]:
            card["sriov"]["used"] = 1
            devices.append(device(f"{card['address'][:-4]}01.0", card["vendor"],
                                  rng.choice([card["device"], card["device"], "20c1"]), card["class"], of=card["address"]))
    if rng.random() < 0.05:
        card = rng.choice(cards)
        card["address"] = "10000" + card["address"][4:]
    devices += cards
    rng.shuffle(devices)
    return devices, cards


def choose(rng, cards):
    """`gpus` and {alias: [devices]}: which cards are wanted, and how the inventory says so."""
    models = sorted({(c["vendor"], c["device"]) for c in cards})
    gpus, wanted = [], {}
    style = rng.choice(["model", "model", "except", "subsystem", "class", "address"])
    for n, (vendor, product) in enumerate(models):
        mine = [c for c in cards if (c["vendor"], c["device"]) == (vendor, product)]
        entry = {"alias": f"gpu{n}", "vendor": vendor, "device": product}
        if rng.random() < 0.3 and n:
            continue
        if style == "except":
            out = rng.sample(mine, rng.randint(0, len(mine)))
            entry["except"] = [c["address"] for c in out if len(c["address"]) == 12]
            mine = [c for c in mine if c["address"] not in entry["except"]]
        if style == "subsystem":
            entry["subsystem"] = rng.choice(SUBSYSTEMS)
            mine = [c for c in mine
                    if f"{c['subsystem_vendor']}:{c['subsystem_device']}" == entry["subsystem"]]
        if style == "address":
            mine = [c for c in mine if len(c["address"]) == 12][:1]
            if not mine:
                continue
            entry = {"alias": f"gpu{n}", "address": mine[0]["address"]}
        if rng.random() < 0.3:
            entry["numa_policy"] = rng.choice(["legacy", "preferred", "required", "socket"])
        gpus.append(entry)
        wanted[entry["alias"]] = mine
    if style == "class":
        klass = rng.choice(cards)["class"]
        mine = [c for c in cards if c["class"] == klass]
        if klass == "0300":
            return [{"alias": "all", "vendor": "10de", "class": klass}], {"all": [c for c in mine if c["vendor"] == "10de"]}
        return [{"alias": "all", "class": klass}], {"all": mine}
    return gpus, wanted


def must_refuse(devices, wanted):
    """Why nothing may be written, by construction; None when all is well."""
    for alias, cards in wanted.items():
        if any(len(c["address"]) > 12 for c in cards):
            return "domain"
        if len({judge.device_type(c) for c in cards}) > 1:
            return "types"
        for card in cards:
            children = [d for d in devices if d["physical_function"] == card["address"]]
            if any(d["device"] == card["device"] for d in children):
                return "virtual functions"
            if children:
                return "maybe"  # by address they would be offered, too; by model not
            if card["physical_function"]:
                return "a virtual function itself"
    return None


def configure(tool, seed):
    rng = random.Random(seed)
    devices, cards = make_host(rng)
    gpus, wanted = choose(rng, cards)
    release = rng.choice(["26.2.1"] * 3 + ["23.2.0", "24.1.0", "25.0.1"])
    # Cards that are selected as class 03xx may include virtual functions that look the same.
    for alias, mine in wanted.items():
        entry = next(g for g in gpus if g["alias"] == alias)
        if "address" not in entry:
            mine += [d for d in devices if d["physical_function"] and d not in mine and
                     (entry.get("device") in (None, d["device"])) and (entry.get("vendor") in (None, d["vendor"])) and
                     entry.get("class") in (None, d["class"]) and "subsystem" not in entry and
                     d["class"].startswith(("03", "12"))]
    inventory = {"version": 1, "fleet": "f", "groups": {"c": {"hosts": ["h"]}}, "hosts": {"h": {"gpus": gpus}}}
    answer = tool.ask(do="wanted", inventory=json.dumps(inventory), host="h", facts={"h": facts(devices, release)})
    refused = [text for kind, text in answer["remarks"] if kind == "refused"]
    reason = must_refuse(devices, wanted)
    if bool(refused) != bool(reason) and reason != "maybe":
        fault(f"host {seed}: refused {refused}, by construction: {reason}", gpus)
        return "wrong"
    if refused:
        return reason
    lines = [(o["section"], o["name"], value) for o in answer["context"]["options"] for value in o["values"]]
    specs, _ = judge.read_conf(lines)
    host = judge.Host(devices)
    offered = host.offered(specs)
    expected = {c["address"] for mine in wanted.values() for c in mine}
    if set(offered) != expected:
        fault(f"host {seed}: Nova offers {sorted(offered)}, wanted are {sorted(expected)}", specs, gpus)
    judge.aliases()
    pools = host.pools(specs)
    for alias, mine in wanted.items():
        if mine and not judge.supports(pools, alias, len(mine)):
            fault(f"host {seed}: Nova finds no {len(mine)} devices of {alias}", specs, lines)
        if mine and judge.supports(pools, alias, len(mine) + 1):
            fault(f"host {seed}: Nova finds more than {len(mine)} devices of {alias}", specs, lines)
    return "by model" if any('"address"' not in s for s in specs) else "by address"


# ---- entries that others wrote ----

def foreign_host():
    nic = device("0000:3b:00.0", "15b3", "1017", "0200", total=8, used=2)
    gpu = device("0000:41:00.0", "10de", "20b0", "0302", total=16)
    return [device("0000:00:01.0", "8086", "1901", "0604"), device("0000:01:00.0", "10de", "1b06", "0300"),
            device("0000:01:00.1", "10de", "10ef", "0403"), device("0000:0a:1f.7", "8086", "1533", "0200"),
            device("0001:0a:00.0", "10de", "1b06", "0300"), device("10000:e1:00.0", "144d", "a808", "0108"),
            nic, device("0000:3b:00.1", "15b3", "1018", "0200", of=nic["address"]),
            device("0000:3b:00.2", "15b3", "1018", "0200", of=nic["address"]), gpu,
            device("0000:41:00.4", "10de", "20b0", "0302", of=gpu["address"]),
            device("ffff:ff:1f.7", "ffff", "ffff", "ff00")]


FIXED = ['{"venodr_id":"10de"}', "{}", "[]", "[{}]", '{"address":""}', '{"address":{}}', '{"address":[]}', '{"address":0}',
         '{"address":null}', '{"address":1}', '{"address":["a"]}', '{"address":true}', '{"address":"*"}', '{"address":"."}',
         '{"address":"*:*:*.*"}', '{"address":"0*:01:00.0"}', '{"address":"0000:01:00.0"}', '{"address":"01:00.0"}',
         '{"address":"01:00"}', '{"address":"01:00."}', '{"address":":01:00.0"}', '{"address":"::"}', '{"address":":::"}',
         '{"address":"0000:01:00.0.0"}', '{"address":"0:1:0.0"}', '{"address":" 0000 : 01 : 00 . 0 "}',
         '{"address":"0x0:0x1:0x0.0x0"}', '{"address":"10000:e1:00.0"}', '{"address":"0000:100:00.0"}',
         '{"address":"0000:01:20.0"}', '{"address":"0000:01:00.8"}', '{"address":"-1:01:00.0"}', '{"address":"0000:01:00. "}',
         '{"address":"00_00:01:00.0"}', '{"address":"0000:+1:00.0"}', '{"address":".1"}', '{"address":".*"}',
         '{"address":"0000:3b:00.0"}', '{"address":"3b:00.0"}', '{"address":"0000:3b:00.*"}', '{"address":"0000:41:00.0"}',
         '{"address":{"domain":"0000","bus":"3b","slot":"00","function":"0"}}',
         '{"address":{"domain":".*","bus":"3b","slot":"00","function":"0"}}',
         '{"address":{"bus":"01"}}', '{"address":{"bus":"0"}}', '{"address":{"function":"[2-7]"}}',
         '{"address":{"bus":"(01|0a)"}}', '{"address":{"bus":"01$"}}', '{"address":{"slot":"1"}}',
         r'{"address":{"bus":"\\d[ab]"}}', r'{"address":{"bus":"\\Q01\\E"}}', '{"address":{"bus":"["}}',
         '{"address":{"bus":"*"}}', '{"address":{"bus":"(?i)3B"}}', '{"address":{"bus":"3B"}}', '{"address":{"bus":3}}',
         '{"address":{"bus":null}}', '{"address":{"Bus":"01"}}', '{"address":{"bus":""}}', '{"address":{"bus":"(?!01)"}}',
         '{"address":{"domain":"","bus":"","slot":"","function":""}}', '{"address":{"func":"1"}}',
         '{"address":{"bus":"^0[1a]"}}', '{"address":{"bus":"0{1}1"}}', '{"address":{"bus":"(?P<x>0)1"}}',
         r'{"address":{"bus":"0\\x31"}}', '{"address":{"bus":"0+1?"}}', '{"address":{"bus":"(?:0)(1|a)"}}',
         '{"vendor_id":"10de"}', '{"vendor_id":"0x10de"}', '{"vendor_id":" 10DE "}', '{"vendor_id":"*"}', '{"vendor_id":" * "}',
         '{"vendor_id":""}', '{"vendor_id":"10de","product_id":"*"}', '{"vendor_id":"10de","product_id":" * "}',
         '{"vendor_id":"10000"}', '{"vendor_id":"-1"}', '{"vendor_id":"1 0de"}', '{"vendor_id":"10d"}', '{"vendor_id":"010de"}',
         '{"vendor_id":4318}', '{"vendor_id":null}', '{"product_id":4318}', '{"product_id":null}', '{"product_id":"1B06"}',
         '{"product_id":""}', '{"vendor_id":"10_de"}', '{"vendor_id":"10de_"}', '{"vendor_id":"_10de"}',
         '{"vendor_id":"0x_10de"}', '{"vendor_id":"+10de"}', '{"vendor_id":"0x"}', '{"vendor_id":"xyz"}',
         "{'vendor_id':'10de'}", "", " ", "null", "1", '"10de"', "{", '{"vendor_id":"10de"', "[[]]", "[1]", "[null]",
         '[{"vendor_id":"10de"},{"vendor_id":"8086"}]', '{"vendor_id":"8086","vendor_id":"10de"}',
         '{"devname":"absent0"}', '{"devname":"nic0"}', '{"devname":"nic0","vendor_id":"10de"}', '{"devname":""}', '{"devname":null}', '{"devname":"nic0","address":""}', '{"devname":"nic0","address":"01:00.0"}',
         '{"vendor_id":"10de","product_id":"1b06","address":"0000:01:00.0","resource_class":"X","traits":"a, b"}',
         '{"vendor_id":"10de","physical_network":null}', '{"vendor_id":"10de","trusted":"true"}',
         '{"vendor_id":"10de","remote_managed":"false"}', '{"vendor_id":"10de"} ', '\t{"vendor_id":"10de"}', '{"vendor_id":"10de"}x']


def random_entry(rng):
    hexes = ["0000", "0001", "*", "", " 0 ", "0x0", "ffff", "1", "10000", "0a", "01", "3b", "41", "00", "1f", "7", "-1", "g", "0_1"]
    entry = {}
    if rng.random() < 0.5:
        entry[rng.choice(["vendor_id"] * 6 + ["Vendor_id", "vendor"])] = rng.choice(
            ["10de", "8086", "15b3", "*", "0x10de", " 10DE", "ffff", "", "g", 1, "10dE"])
    if rng.random() < 0.5:
        entry["product_id"] = rng.choice(["1b06", "10ef", "1017", "1018", "20b0", "*", " 1B06 ", "0X1b06", "fffff", "", None])
    kind = rng.random()
    if kind < 0.4:
        entry["address"] = "".join(rng.choice([h, h, h + ":", h + ".", ":" + h]) for h in rng.choices(hexes, k=rng.randint(0, 4)))
    elif kind < 0.7:
        patterns = ["0000", ".*", "0[0-9a]", "01", "3b", "41", "00", "[0-3]", "", "1", "0$", "(0|1).*", r"\d+", "[^0]", "0?", ".",
                    "..", "...", "0a|3b", "[1", "x{2}", r"\w\w", "0{2,4}", "(?=3)", r"0\1", "f+", "*"]
        entry["address"] = {rng.choice(["domain", "bus", "slot", "function", "Function"]): rng.choice(patterns)
                            for _ in range(rng.randint(0, 4))}
    elif kind < 0.75:
        entry["devname"] = rng.choice(["", None, 0])
    for tag in ("physical_network", "trusted", "resource_class", "traits", "whatever"):
        if rng.random() < 0.1:
            entry[tag] = rng.choice(["a", "", None, "true"])
    return json.dumps(entry if rng.random() < 0.9 else [entry, {"vendor_id": "8086"}])


def foreign(tool, values, host, document, tally):
    answer = tool.ask(do="offers", release=judge.RELEASE, facts=document, values=values)
    theirs = None
    try:
        theirs = host.offered(values)
    except Exception as error:  # whatever it is, nova-compute does not start
        theirs = f"{type(error).__name__}: {error}"
    refused = any(answer["wrong"])
    tally["refused" if refused else "taken"] += 1
    if refused != isinstance(theirs, str):
        fault(f"{values}: we say {answer['wrong']}, Nova {theirs}")
        return
    if refused:
        return
    ours = answer["offered"]
    unknown = {a for a, e in ours.items() if e == "unknown"}
    tally["unknown"] += bool(unknown)
    certain = {a: e for a, e in ours.items() if a not in unknown}
    if certain != {a: e for a, e in theirs.items() if a not in unknown}:
        fault(f"{values}: we say {certain}, Nova {theirs}")


def foreign_entries(tool):
    devices = foreign_host()
    host, document = judge.Host(devices), facts(devices)
    tally = {"taken": 0, "refused": 0, "unknown": 0}
    for value in FIXED:
        foreign(tool, [value], host, document, tally)
    rng = random.Random(7)
    for _ in range(ENTRIES):
        values = [random_entry(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
        foreign(tool, values, host, document, tally)
    print(f"foreign device_spec: {tally}")
    if tally["unknown"] * 50 > tally["taken"] or tally["refused"] < 100 or tally["taken"] < 500:
        fault(f"the entries don't try enough: {tally}")


# ---- aliases that others wrote ----

FIXED_ALIASES = [[], ["{}"], ["[]"], [""], ["null"], ['{"name":"a"}'], ['{"name":""}'], ['{"name":1}'], ['{"name":"a:b, c"}'],
                 ['{"name":" a "}', '{"name":"a","device_type":"type-PF"}'], ['{"name":"' + "a" * 256 + '"}'],
                 ['{"name":"' + "a" * 257 + '"}'], ['{"name":"' + "ä" * 256 + '"}'], ['[{"name":"a"}]'],
                 ['{"name":"a","vendor_id":"10de"}'], ['{"name":"a","vendor_id":"0x10de"}'], ['{"name":"a","vendor_id":"10DE"}'],
                 ['{"name":"a","vendor_id":"10de\\n"}'], ['{"name":"a","vendor_id":"10de "}'], ['{"name":"a","vendor_id":10}'],
                 ['{"name":"a","device_type":"type-pci"}'], ['{"name":"a","device_type":"type-VF"}'],
                 ['{"name":"a","device_type":"vdpa"}'], ['{"name":"a","capability_type":"pci"}'],
                 ['{"name":"a","capability_type":"x"}'], ['{"name":"a","numa_policy":"socket"}'],
                 ['{"name":"a","numa_policy":"any"}'], ['{"name":"a","numa_policy":null}'], ['{"name":"a","resource_class":"X"}'],
                 ['{"name":"a","traits":"X"}'], ['{"name":"a","live_migratable":"yes"}'], ['{"name":"a","managed":"yes"}'],
                 ['{"name":"a","class":"0300"}'], ["{'name':'a'}"], ['{"name":"a"}', '{"name":"b"}'],
                 ['{"name":"a"}', '{"name":"a"}'], ['{"name":"a","device_type":"type-PF"}', '{"name":"a"}'],
                 ['{"name":"a","device_type":"type-PF"}', '{"name":"a","device_type":"type-PCI"}'],
                 ['{"name":"a","device_type":"type-PF"}', '{"name":"a","device_type":"type-PF"}'],
                 ['{"name":"a","device_type":"type-PF","numa_policy":"legacy"}', '{"name":"a","device_type":"type-PF"}'],
                 ['{"name":"a","device_type":"type-PF","numa_policy":"required"}', '{"name":"a","device_type":"type-PF"}']]


def random_alias(rng):
    alias = {"name": rng.choice(["a", "a", "b", " a", "", "gpu 1", 3])}
    choices = {"vendor_id": ["10de", "10DE", "0x10de", "10d", 10], "product_id": ["1b06", "", "1B06", "1b066"],
               "device_type": ["type-PCI", "type-PF", "type-VF", "pci", None], "capability_type": ["pci", "PCI"],
               "numa_policy": ["legacy", "preferred", "required", "socket", "", "none"], "resource_class": ["X"],
               "traits": ["T"], "live_migratable": ["yes"], "extra": [1]}
    odds = {"vendor_id": 0.8, "product_id": 0.8, "device_type": 0.7, "numa_policy": 0.4, "capability_type": 0.1}
    for key, values in choices.items():
        if rng.random() < odds.get(key, 0.02):
            good = rng.random() < 0.8
            alias[key] = values[0] if good else rng.choice(values)
    return json.dumps(alias)


def foreign_aliases(tool):
    rng = random.Random(11)
    lists = FIXED_ALIASES + [[random_alias(rng) for _ in range(rng.randint(1, 4))] for _ in range(ALIASES)]
    refused = 0
    for values in lists:
        answer = tool.ask(do="alias", release=judge.RELEASE, placement=False, values=values)
        theirs = judge.alias_refused(values)
        refused += theirs is not None
        if any(answer["wrong"]) != (theirs is not None):
            fault(f"{values}: we say {answer['wrong']}, Nova {theirs}")
    print(f"foreign aliases: {len(lists)} lists, {refused} refused")
    if not 100 < refused < len(lists) - 100:
        fault("the aliases don't try enough")


# ---- the table, as far as this Nova tells it ----

def table(tool):
    judge.read_conf([])
    theirs = list(judge.CONF.filter_scheduler.enabled_filters)
    ours = tool.ask(do="defaults", release=judge.RELEASE)["filters"]
    if ours != theirs:
        fault(f"enabled_filters: we say {ours}, Nova {theirs}")
    present = {cls.__name__ for cls in nova_filters.all_filters()}
    for name in ("RetryFilter", "RamFilter", "CoreFilter", "DiskFilter", "AggregateCoreFilter"):
        if name in present:
            fault(f"{name} is there")
    for name in ("AvailabilityZoneFilter", "PciPassthroughFilter"):
        if name not in present:
            fault(f"{name} is not there")
    if "report_in_placement" not in judge.CONF.pci or "pci_in_placement" in judge.CONF.filter_scheduler:
        fault("the options of Placement")
    for section, name in (("pci", "device_spec"), ("pci", "passthrough_whitelist"), ("DEFAULT", "pci_passthrough_whitelist")):
        if judge.read_conf([(section, name, "{}")])[0] != ["{}"]:
            fault(f"[{section}] {name} is not read")
    if judge.read_conf([("DEFAULT", "pci_alias", "x")])[1] != ["x"]:
        fault("[DEFAULT] pci_alias is not read")


def main():
    tool = Tool(sys.argv[1])
    table(tool)
    foreign_entries(tool)
    foreign_aliases(tool)
    ends = {}
    for seed in range(HOSTS):
        end = configure(tool, seed)
        ends[end] = ends.get(end, 0) + 1
    print(f"configured hosts: {ends}")
    for end in ("by model", "by address", "types", "virtual functions", "domain"):
        if not ends.get(end):
            fault(f"no host was of the kind: {end}")
    tool.process.stdin.close()
    if tool.process.wait() != 0:
        fault("nova_tool failed")
    print(f"{len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
