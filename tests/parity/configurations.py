#!/usr/bin/env python3
"""The configurations that the simulator and the virtual machines must end alike with: configurations.json.

    configurations.py names              every name, a line each
    configurations.py plant NAME ROOT    the files that somebody planted, below ROOT
    configurations.py then NAME          the tools that were run afterwards, a line each
    configurations.py applies NAME       exit status 0: `gpufleet apply` follows
    configurations.py inventory NAME     the inventory of the one host, as JSON

A configuration: "remove" (patterns of paths that are taken away), "files" (path: text), "append" (path: text at its end), "replace"
(path: [[old, new]…], each old once), "then" (tools: update-initramfs, update-grub, depmod) and "apply".
"""

import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

with open(os.path.join(HERE, "configurations.json"), encoding="utf-8") as listing:
    ALL = {configuration["name"]: configuration for configuration in json.load(listing)}


def write(path, text, mode="w"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, mode, encoding="utf-8") as file:
        file.write(text)


def plant(configuration, root):
    for pattern in configuration.get("remove", []):
        found = glob.glob(os.path.join(root, pattern))
        if not found:
            raise ValueError(f"there is no {pattern} to take away")
        for path in found:
            os.unlink(path)
    for path, text in configuration.get("files", {}).items():
        write(os.path.join(root, path), text)
    for path, text in configuration.get("append", {}).items():
        write(os.path.join(root, path), text, "a")
    for path, changes in configuration.get("replace", {}).items():
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{path} has {old} {text.count(old)} times")
            text = text.replace(old, new)
        write(os.path.join(root, path), text)


def inventory(name):
    """The machines' inventory (tests/vm/fleet.json), for a host of this name alone."""
    with open(os.path.join(HERE, "../vm/fleet.json"), encoding="utf-8") as file:
        fleet = json.load(file)
    fleet["groups"]["computes"]["hosts"] = [name]
    fleet["hosts"] = {}
    return fleet


def main():
    if sys.argv[1:] == ["names"]:
        print("\n".join(ALL))
        return
    if len(sys.argv) < 3 or sys.argv[2] not in ALL:
        sys.exit(__doc__)
    command, configuration = sys.argv[1], ALL[sys.argv[2]]
    if command == "plant" and len(sys.argv) == 4:
        plant(configuration, sys.argv[3])
    elif command == "then":
        print("\n".join(configuration["then"]))
    elif command == "applies":
        sys.exit(0 if configuration.get("apply") else 1)
    elif command == "inventory":
        print(json.dumps(inventory(configuration["name"]), indent=2))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
