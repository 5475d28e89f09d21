#!/usr/bin/env python3
"""Counts the instructions of the hot paths under callgrind and holds them against their budgets.

    tests/budget/budget.py PROGRAM [PATH...]             PROGRAM: hot_paths of a release build
    tests/budget/budget.py PROGRAM --record [PATH...]    writes what is counted into the budgets, on purpose

A path fails that needs more than its budget and a tenth, or more than 4.4 times as much for four times the input. Ends with 1
where one does. README.md beside this file says what is counted and why so.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUDGETS = HERE / "budgets.json"
OVER = 1.10    # of the budget: what another patch level of compiler or libc may make of it
UNDER = 0.70   # less than that is a budget that holds nothing any more
GROWTH = 4.4   # for four times the input: a sort with what is linear beside it stays below, n² is 16
# The processor must not choose among libc's string functions: the plainest are everywhere.
ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C",
               "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-SSE4_2,-SSE4_1,-SSSE3,-BMI2,-ERMS,-FSRM"}


def paths_of(program):
    """{name: (size, unit)} of what the program runs."""
    lines = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: (int(size), unit) for name, size, unit in (line.split(" ", 2) for line in lines)}


def made_with(program):
    """What the counts depend on beside our sources."""
    out = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
           for command in ([program, "--made-with"], ["valgrind", "--version"])]
    return ", ".join(out + [platform.machine()])


def count(program, name, size, folder):
    """Instructions of one run of the path; RuntimeError where it does not run."""
    out = folder / f"{name}.{size}.out"
    out.unlink(missing_ok=True)
    done = subprocess.run(["valgrind", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=hot_path_run",
                           f"--callgrind-out-file={out}", program, name, str(size)],
                          env=ENVIRONMENT, capture_output=True, text=True, check=False)
    totals = re.search(r"^totals: (\d+)$", out.read_text(encoding="utf-8") if out.exists() else "", re.MULTILINE)
    if done.returncode != 0 or not totals or int(totals[1]) == 0:
        raise RuntimeError(f"{name} with size {size} was not counted (status {done.returncode}):\n{done.stderr}")
    return int(totals[1])


def judge(name, size, unit, counted, quarter, budget):
    """([what is wrong], [what else there is to say]) of one path. counted, quarter: instructions for the size and for a
    quarter of it; budget: {"size", "instructions"}, or None."""
    wrong, notes = [], []
    if counted > GROWTH * quarter:
        wrong.append(f"{name}: {counted / quarter:.2f} times the instructions for four times the {unit} ({quarter:,} for {size // 4}, "
                     f"{counted:,} for {size}); {GROWTH} are allowed. Does it look at everything for each of them?")
    if budget is None:
        wrong.append(f"{name}: it has no budget")
    elif budget["size"] != size:
        wrong.append(f"{name}: its budget is for {budget['size']} {unit}, and {size} are counted")
    elif counted > OVER * budget["instructions"]:
        over = 100 * (counted / budget["instructions"] - 1)
        wrong.append(f"{name}: {counted:,} instructions for {size} {unit}, {counted - budget['instructions']:,} ({over:.0f} %) over the "
                     f"budget of {budget['instructions']:,}; {100 * OVER - 100:.0f} % are allowed")
    elif counted < UNDER * budget["instructions"]:
        notes.append(f"{name}: {counted:,} instructions for {size} {unit} are only {100 * counted / budget['instructions']:.0f} % of the "
                     "budget: lower it, or the gain can be lost again unseen")
    return wrong, notes


def count_all(program, paths, folder):
    """{name: (instructions for the size, for a quarter of it)}, as many at a time as there are cores."""
    folder.mkdir(exist_ok=True)
    jobs = [(name, part) for part in (1, 4) for name in paths]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = pool.map(lambda job: count(program, job[0], paths[job[0]][0] // job[1], folder), jobs)
        by_job = dict(zip(jobs, counts))
    return {name: (by_job[name, 1], by_job[name, 4]) for name in paths}


def record(file, budgets, paths, counts, tools):
    """Puts what was counted in place of the budgets of these paths."""
    for name, (counted, _) in counts.items():
        budgets["paths"][name] = {"size": paths[name][0], "unit": paths[name][1], "instructions": counted}
    budgets["made_with"] = tools
    file.write_text(json.dumps(budgets, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("paths", nargs="*", metavar="PATH")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--budgets", type=pathlib.Path, default=BUDGETS, help="another file of budgets")
    parser.add_argument("--out", type=pathlib.Path, help="where callgrind's files go (budget/ beside PROGRAM)")
    arguments = parser.parse_intermixed_args()
    program = arguments.program.resolve()
    if not program.exists():
        raise SystemExit(f"{program} is not there: ./dev build makes it (build/release/hot_paths)")
    paths = paths_of(program)
    unknown = [name for name in arguments.paths if name not in paths]
    if unknown:
        raise SystemExit(f"no such path: {', '.join(unknown)}; there are {', '.join(paths)}")
    budgets = json.loads(arguments.budgets.read_text(encoding="utf-8")) if arguments.budgets.exists() else {"paths": {}}
    wrong = [f"{name}: it has a budget, and the program does not run it" for name in budgets["paths"] if name not in paths]
    if arguments.record:
        budgets["paths"] = {name: budget for name, budget in budgets["paths"].items() if name in paths}
        wrong = []
    chosen = {name: paths[name] for name in arguments.paths or paths}
    folder = arguments.out or program.parent / "budget"
    try:
        counts, tools, notes = count_all(program, chosen, folder), made_with(program), []
    except (RuntimeError, OSError) as why:
        raise SystemExit(f"FAILED: {why}") from None
    print(f"{'path':<16}{'size':>18}{'instructions':>15}{'of its budget':>15}{'for 4 times the input':>23}")
    for name, (counted, quarter) in counts.items():
        size, unit = chosen[name]
        budget = budgets["paths"].get(name)
        share = f"{100 * counted / budget['instructions']:.1f} %" if budget else "-"
        print(f"{name:<16}{f'{size} {unit}':>18}{counted:>15,}{share:>15}{counted / quarter:>23.2f}")
        if not arguments.record:
            found, said = judge(name, size, unit, counted, quarter, budget)
            wrong, notes = wrong + found, notes + said
    if arguments.record:
        record(arguments.budgets, budgets, paths, counts, tools)
        print(f"written to {arguments.budgets}")
    for note in notes:
        print("note:", note)
    for line in wrong:
        print("FAILED:", line)
    if wrong and tools != budgets.get("made_with"):
        print(f"The budgets were counted with {budgets.get('made_with')}; this is {tools}.")
    if wrong or notes:
        print(f"Where the instructions went: callgrind_annotate --inclusive=yes {folder}/PATH.SIZE.out\n"
              f"If it is meant so: tests/budget/budget.py {os.path.relpath(program)} --record PATH, and say in the commit why.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
