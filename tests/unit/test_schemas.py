#!/usr/bin/env python3
"""The published JSON Schemas take the good files and refuse the malformed ones that a schema can refuse.

Usage: test_schemas.py SOURCE_DIR
"""
import json
import pathlib
import re
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

# What only a reader that knows the meaning can see.
SEMANTIC = {
    "inventory": {
        "duplicate-flavor", "duplicate-gpu", "duplicate-group", "duplicate-host",
        "empty-selection", "flavor-alias", "group-cycle", "group-unknown",
        "groups-disagree", "host-in-no-group", "host-in-no-group-far", "kernel-arg-both",
        "range-backwards", "range-digits", "range-empty", "range-letters", "range-open", "range-padding",
        "range-product", "range-too-many", "roles-disagree", "timeout-long", "too-many-hosts",
        "waves-order", "window-empty",
    },
    "playbook": {"name-twice", "reboot-first", "stage-twice"},
}


def validator(path):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def check(kind, schema, good, bad):
    wrong = 0
    for path in good:
        for error in schema.iter_errors(json.loads(path.read_text())):
            print(f"{path}: refused: {error.message} at {list(error.absolute_path)}")
            wrong += 1
    for path in bad:
        try:
            document = json.loads(path.read_bytes().decode())
        except (ValueError, RecursionError):
            continue  # not JSON at all
        taken = schema.is_valid(document)
        if taken != (path.stem in SEMANTIC[kind]):
            print(f"{path}: {'taken by' if taken else 'listed as semantic, but refused by'} the schema")
            wrong += 1
    return wrong


def check_ids(source):
    """The ids of the checks are one list: in the program, in the report's schema, in the documentation."""
    code = re.findall(r'X\(CHECK_\w+, "([a-z.-]+)"\)', (source / "controller/readiness/checks.h").read_text())
    schema = source / "controller/report/report.schema.json"
    validator(schema)
    published = json.loads(schema.read_text())["$defs"]["check_id"]["enum"]
    described = re.findall(r"^### `([a-z.-]+)`", (source / "docs/checks.md").read_text(), re.MULTILINE)
    for name, ids in (("report.schema.json", published), ("docs/checks.md", described)):
        if sorted(ids) != sorted(code):
            print(f"{name}: the ids of the checks differ: {sorted(set(ids) ^ set(code))}")
    return sum(sorted(ids) != sorted(code) for ids in (published, described))


def properties(schema):
    """The names of all properties, however deep."""
    if isinstance(schema, list):
        return set().union(*map(properties, schema))
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return set(own) | properties(list(own.values())) | properties([v for k, v in schema.items() if k != "properties"])


def check_documented(source):
    """The inventory's keys stand in the manual page, and a playbook's in docs/design/contracts.md; no others do."""
    wrong = 0

    def compare(where, documented, keys):
        nonlocal wrong
        for key in sorted(documented ^ keys):
            print(f"{where}: {key} is {'missing' if key in keys else 'no key of the schema'}")
            wrong += 1

    section = re.search(r"^\.Sh INVENTORY\n(.*?)^\.Sh ", (source / "docs/man/gpufleet.1").read_text(), re.MULTILINE | re.DOTALL)[1]
    lists = "".join(re.findall(r"^\.Bl -tag.*?^\.El\n", section, re.MULTILINE | re.DOTALL))
    named = " ".join(re.findall(r"^(?:\.It |\.)Cm (.*)", lists, re.MULTILINE))
    compare("docs/man/gpufleet.1", set(re.findall(r"[a-z_]+", named)),
            properties(json.loads((source / "inventory/inventory.schema.json").read_text())))

    playbook = json.loads((source / "playbooks/playbook.schema.json").read_text())
    section = re.search(r"^## Playbook\n(.*?)^## ", (source / "docs/design/contracts.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    words = set(re.findall(r"[`\"](\w+)[`\"]", section))
    for key in sorted(properties(playbook) - words):
        print(f"docs/design/contracts.md: {key} is missing")
        wrong += 1
    compare("docs/design/contracts.md", set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)),
            {task["properties"]["type"]["const"] for name, task in playbook["$defs"].items() if name.startswith("task_")})
    return wrong


def main():
    source = pathlib.Path(sys.argv[1])
    inputs = source / "tests/unit/bad-inputs"
    wrong = check("inventory", validator(source / "inventory/inventory.schema.json"),
                  sorted((source / "inventory/examples").glob("*.json")),
                  sorted((inputs / "inventory").glob("*.json")))
    shipped = [p for p in sorted((source / "playbooks").glob("*.json")) if ".schema." not in p.name]
    wrong += check("playbook", validator(source / "playbooks/playbook.schema.json"), shipped,
                   sorted((inputs / "playbook").glob("*.json")))
    wrong += check_ids(source)
    wrong += check_documented(source)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
