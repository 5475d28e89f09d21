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
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
