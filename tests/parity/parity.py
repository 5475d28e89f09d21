#!/usr/bin/env python3
"""Golden reports of the virtual machines' fleet, which the simulator's fleet must give, too.

    parity.py report REPORT.json GOLDEN.json     is this report, normalised, the golden one?
    parity.py normalise REPORT.json              prints it normalised

What may differ between two runs is taken out of a report, and nothing else: when it was made ("generated") and when each host
was looked at ("observed", and the same time in the evidence of the check host.facts).
"""

import difflib
import json
import sys


def normalise(report):
    report["generated"] = "TIME"
    for host in report["hosts"]:
        for check in host["checks"]:
            if check["id"] == "host.facts":
                check["evidence"] = check["evidence"].replace(host["observed"], "TIME")
        host["observed"] = "TIME"
    return report


def text(report):
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def difference(report, golden_path):
    """What a report has else than the golden one, as a diff; empty: nothing."""
    with open(golden_path, encoding="utf-8") as file:
        golden = file.read()
    return "".join(difflib.unified_diff(golden.splitlines(True), text(normalise(report)).splitlines(True), golden_path, "report"))


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("report", "normalise"):
        sys.exit(__doc__)
    with open(sys.argv[2], encoding="utf-8") as file:
        report = json.load(file)
    if sys.argv[1] == "normalise":
        print(text(normalise(report)), end="")
        return
    found = difference(report, sys.argv[3])
    if found:
        print(found, end="")
        sys.exit(1)


if __name__ == "__main__":
    main()
