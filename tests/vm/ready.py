#!/usr/bin/env python3
"""ready.py REPORT.json COUNT: does the report say that COUNT GPUs, and all there are, are ready?"""

import json
import sys

try:
    with open(sys.argv[1], encoding="utf-8") as file:
        report = json.load(file)
except ValueError as error:
    sys.exit(f"no JSON: {error}")
count = int(sys.argv[2])
totals = report["totals"]
# The machines' boot display is a GPU, too, but nobody wants it: it is ignored.
if totals["ready"] == count and all(totals[v] == 0 for v in ("pending", "blocked", "in_use", "unknown")):
    sys.exit(0)
print(json.dumps(totals))
for host in report["hosts"]:
    for device in host["devices"]:
        print(host["name"], device["address"], device["driver"], device["verdict"], device["reasons"])
sys.exit(1)
