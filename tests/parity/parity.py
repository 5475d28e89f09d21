#!/usr/bin/env python3
"""Golden reports of the virtual machines' fleet, which the simulator's fleet must give, too.

    parity.py report REPORT.json GOLDEN.json     is this report, normalised, the golden one?
    parity.py normalise REPORT.json              prints it normalised
    parity.py golden DIRECTORY NAME              what was observed of the configuration NAME, as its golden file has it
    parity.py drivers DIRECTORY NAME WHEN        the drivers of the cards' functions
    parity.py table MACHINES SIMULATOR NAME…     the configurations' table; exit status 1 unless all are the same

What may differ between two runs is taken out of a report, and nothing else: when it was made ("generated"), when each host
was looked at ("observed", and the same time in the evidence of the check host.facts), and the kernel's version in the name of
an initramfs image. Of the capacity only the sums of each alias and flavor stay, and of a check not its own verdict: they are
worked out from what is compared anyway.

An observation of a configuration is a few files in a directory: NAME.booted.drivers, a line "ADDRESS DRIVER" for every device that
has one, and NAME.booted.json, the report; where apply followed, NAME.apply (its exit status), NAME.applied.drivers and
NAME.applied.json. Its golden file has the drivers, and what the report has else than the stock machine's, whose own golden file
has all of it.
"""

import difflib
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDENS = os.path.join(HERE, "machines")
STOCK = "stock"
SUMS = ("alias", "total", "ready", "in_use", "pending", "blocked", "flavor", "fits_now", "fits_when_ready")
WANTED = ("0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:02:00.1")


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return file.read()


def normalise(report):
    report["generated"] = "TIME"
    for host in report["hosts"]:
        host.pop("domain")  # the inventory's, not the machine's
        for check in host["checks"]:
            check.pop("verdict", None)
            if check["id"] == "host.facts":
                check["evidence"] = check["evidence"].replace(host["observed"], "TIME")
            check["evidence"] = re.sub(r"initrd\.img-[^ :,]+", "initrd.img-KERNEL", check["evidence"])
        host["observed"] = "TIME"
    report["capacity"] = {name: [{key: row[key] for key in row if key in SUMS} for row in report["capacity"][name]]
                          for name in ("aliases", "flavors")}
    return report


def text(report):
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def difference(report, golden_path):
    """What a report has else than the golden one, as a diff; empty: nothing."""
    golden = read(golden_path)
    return "".join(difflib.unified_diff(golden.splitlines(True), text(normalise(report)).splitlines(True), golden_path, "report"))


def lines(report):
    """A report of one host, normalised, as a list of lines: one for each check and each device. The host's name is left out."""
    report = normalise(report)
    (host,) = report["hosts"]
    host["name"] = "NAME"
    result = [json.dumps({key: report[key]}) for key in report if key != "hosts"]
    result.append(json.dumps({key: host[key] for key in host if key not in ("checks", "devices")}))
    return result + [json.dumps(item, ensure_ascii=False) for key in ("checks", "devices") for item in host[key]]


def stock_lines():
    golden = read(GOLDENS, STOCK)
    return [line[1:] for line in golden.splitlines() if line.startswith("+")]


def phase(directory, name, when):
    """What was observed WHEN, as in a golden file."""
    base = [] if name == STOCK else stock_lines()
    report = lines(json.loads(read(directory, f"{name}.{when}.json")))
    found = [line for line in difflib.unified_diff(base, report, lineterm="", n=0) if line[:3] not in ("---", "+++", "@@ ")]
    return [f"{when}:", *read(directory, f"{name}.{when}.drivers").splitlines(), *found]


def observed(directory, name):
    """The golden file that the observations in the directory would make."""
    result = phase(directory, name, "booted")
    if os.path.exists(os.path.join(directory, name + ".apply")):
        result += ["apply: exit status " + read(directory, name + ".apply").strip(), *phase(directory, name, "applied")]
    return "\n".join(result) + "\n"


def golden_difference(directory, name):
    """What was observed else than the golden file has, as a diff; empty: nothing."""
    return "\n".join(difflib.unified_diff(read(GOLDENS, name).splitlines(), observed(directory, name).splitlines(),
                                          f"tests/parity/machines/{name}", "observed", lineterm="", n=1))


def wanted_drivers(directory, name, when):
    drivers = dict(line.split() for line in read(directory, f"{name}.{when}.drivers").splitlines())
    return " ".join(drivers.get(address, "-") for address in WANTED)


def row(machines, simulator, name, when):
    """A row of the table, and: is all of it the same?"""
    try:
        machine, simulated = (wanted_drivers(directory, name, when) for directory in (machines, simulator))
        drivers = read(machines, f"{name}.{when}.drivers") == read(simulator, f"{name}.{when}.drivers")
        report = phase(machines, name, when) == phase(simulator, name, when)
        recorded = golden_difference(machines, name) == ""
    except (OSError, ValueError) as error:
        return f"| {name} | {when} | {error} | | no | no |", False
    return (f"| {name} | {when} | {machine} | {'the same' if drivers else simulated} | {'yes' if report else 'no'} | "
            f"{'yes' if recorded else 'no'} |", drivers and report and recorded)


def table(machines, simulator, names):
    """Prints a row for each configuration and phase; are all of them the same?"""
    print("| configuration | when | the cards' functions on the machine | in the simulator | reports equal | as recorded |\n"
          "|---|---|---|---|---|---|")
    same = True
    for name in names:
        whens = ["booted"] + ["applied"] * os.path.exists(os.path.join(machines, name + ".apply"))
        for when in whens:
            printed, good = row(machines, simulator, name, when)
            print(printed)
            same = same and good
    return same


def main():
    command = sys.argv[1] if len(sys.argv) > 2 else ""
    if command == "normalise":
        print(text(normalise(json.loads(read(sys.argv[2])))), end="")
    elif command == "report" and len(sys.argv) == 4:
        found = difference(json.loads(read(sys.argv[2])), sys.argv[3])
        print(found, end="")
        sys.exit(1 if found else 0)
    elif command == "golden" and len(sys.argv) == 4:
        print(observed(sys.argv[2], sys.argv[3]), end="")
    elif command == "drivers" and len(sys.argv) == 5:
        print(wanted_drivers(*sys.argv[2:]))
    elif command == "table" and len(sys.argv) > 4:
        sys.exit(0 if table(sys.argv[2], sys.argv[3], sys.argv[4:]) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
