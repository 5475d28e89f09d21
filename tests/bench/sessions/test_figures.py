"""Ratios, targets and tables from made-up figures."""

import unittest

from figures import Figure, Sample, Target, ratio, spread, table


def figure(client, *cpus):
    made = Figure(client)
    made.samples = [Sample(10, cpu, 2 * cpu, 2048) for cpu in cpus]
    return made


class Figures(unittest.TestCase):
    def test_ratio_is_of_medians(self):
        figures = {"ours": figure("ours", 1, 9, 2), "bare": figure("bare", 1, 1, 1)}
        self.assertEqual(ratio(figures, "ours", "bare"), 2)
        self.assertEqual(ratio(figures, "bare", "ours", "wall"), 0.5)
        self.assertIsNone(ratio(figures, "ours", "absent"))

    def test_figures_are_per_host(self):
        self.assertEqual(figure("ours", 1, 2).cpu_ms(), [100, 200])
        self.assertEqual(figure("ours", 1).peak_mb(), 2)

    def test_target(self):
        self.assertTrue(Target("a", "", 1.3, 1.3).holds())
        self.assertFalse(Target("a", "", 1.31, 1.3).holds())
        self.assertTrue(Target("c", "", 20, 20, at_least=True).holds())
        self.assertFalse(Target("c", "", 19.9, 20, at_least=True).holds())
        self.assertFalse(Target("a", "", None, 1.3).holds(), "what was not measured does not hold")
        self.assertEqual(Target("a", "CPU", 1.5, 1.3, unit="×").row(), ["a", "CPU", "≤ 1.3×", "1.50×", "**no**"])

    def test_spread(self):
        self.assertEqual(spread([1], 1), "1.0")
        self.assertEqual(spread([3, 1, 2], 1), "2.0 (1.0–3.0)")

    def test_table(self):
        self.assertEqual(table(["a", "bb"], [["1", "2"]]), "| a | bb |\n|---|----|\n| 1 | 2  |")


if __name__ == "__main__":
    unittest.main()
