"""ini_set.py FILE SECTION [NAME=VALUE…]: sets options, taking more NAME=VALUE lines from standard input. What was
set is replaced, a new option goes right under its section's head; every other line of the file stays."""

import sys


def main():
    path, section, *pairs = sys.argv[1:]
    wanted = dict(pair.split("=", 1) for pair in pairs + sys.stdin.read().splitlines())
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    out, inside, found = [], False, False
    for line in lines:
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
            out.append(line)
            if inside and not found:
                found = True
                out += [f"{name} = {value}" for name, value in wanted.items()]
            continue
        if inside and line[:1].isalpha() and line.split("=", 1)[0].strip() in wanted:
            continue
        out.append(line)
    if not found:
        out += ["", f"[{section}]"] + [f"{name} = {value}" for name, value in wanted.items()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


main()
