#!/usr/bin/env python3
"""The guard over the hot paths can fail, and says what is wrong: test_budget.py PROGRAM."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import budget

PROGRAM = sys.argv.pop(1)
CHEAP = "events"


@contextlib.contextmanager
def budgets(change):
    """A file of the stored budgets, with the cheap path's changed."""
    stored = json.loads(budget.BUDGETS.read_text(encoding="utf-8"))
    change(stored["paths"])
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(stored, file)
        file.flush()
        yield file.name


def guard(file, *arguments):
    with tempfile.TemporaryDirectory() as out:
        return subprocess.run([sys.executable, "-B", budget.__file__, PROGRAM, "--budgets", file, "--out", out, *arguments],
                              capture_output=True, text=True, check=False)


class Judgement(unittest.TestCase):
    """Counts made up, so that every edge is met."""

    def judge(self, counted, quarter=None, stored=1000, size=8):
        return budget.judge("fold", 8, "names", counted, quarter or counted / 4, stored and {"size": size, "instructions": stored})

    def test_within(self):
        for counted in (700, 1000, 1100):
            self.assertEqual(self.judge(counted), ([], []), counted)

    def test_over(self):
        (line,), notes = self.judge(1101)
        self.assertEqual(line, "fold: 1,101 instructions for 8 names, 101 (10 %) over the budget of 1,000; 10 % are allowed")
        self.assertEqual(notes, [])

    def test_far_under_is_said_and_no_failure(self):
        wrong, (note,) = self.judge(699)
        self.assertEqual(wrong, [])
        self.assertIn("only 70 % of the budget: lower it", note)

    def test_growth(self):
        self.assertEqual(self.judge(880, 200), ([], []))
        (line,), _ = self.judge(881, 200)
        self.assertIn("4.41 times the instructions for four times the names (200 for 2, 881 for 8); 4.4 are allowed", line)

    def test_growth_needs_no_budget(self):
        wrong, _ = self.judge(16, 1, stored=None)
        self.assertEqual(len(wrong), 2)
        self.assertIn("it has no budget", wrong[1])

    def test_another_size(self):
        (line,), _ = self.judge(1000, size=4)
        self.assertIn("its budget is for 4 names, and 8 are counted", line)


class Guard(unittest.TestCase):
    """The real program, counted for real."""

    def test_half_the_budget_fails(self):
        def halve(paths):
            paths[CHEAP]["instructions"] //= 2
        with budgets(halve) as file:
            done = guard(file, CHEAP)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, rf"FAILED: {CHEAP}: [\d,]+ instructions for 8000 events, [\d,]+ \(\d+ %\) over the budget of")
        self.assertIn("--record PATH", done.stdout)

    def test_twice_the_budget_asks_for_less(self):
        def double(paths):
            paths[CHEAP]["instructions"] *= 2
        with budgets(double) as file:
            done = guard(file, CHEAP)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"note: {CHEAP}: ", done.stdout)

    def test_recording_counts_the_same_again(self):
        with budgets(lambda paths: paths.pop(CHEAP)) as file:
            self.assertIn("it has no budget", guard(file, CHEAP).stdout)
            self.assertEqual(guard(file, "--record", CHEAP).returncode, 0)
            first = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
            self.assertEqual(guard(file, CHEAP).returncode, 0)
            guard(file, "--record", CHEAP)
            self.assertEqual(json.loads(pathlib.Path(file).read_text(encoding="utf-8")), first)

    def test_a_budget_of_nothing_fails(self):
        with budgets(lambda paths: paths.update(gone={"size": 1, "unit": "", "instructions": 1})) as file:
            done = guard(file, CHEAP)
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: gone: it has a budget, and the program does not run it", done.stdout)

    def test_a_path_that_does_not_run_is_not_counted(self):
        done = guard(str(budget.BUDGETS), "none")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such path: none", done.stderr)


if __name__ == "__main__":
    unittest.main()
