"""Medians, ratios, targets and tables: functions of measured figures alone."""

import statistics


class Sample:
    """One run of a client over HOSTS hosts. CPU and WALL in s, PEAK_KB; the rest where it was looked at."""

    def __init__(self, hosts, cpu, wall, peak_kb):
        self.hosts, self.cpu, self.wall, self.peak_kb = hosts, cpu, wall, peak_kb


class Figure:
    """All runs of one client at one work."""

    def __init__(self, client):
        self.client, self.samples = client, []
        self.bytes = self.round_trips = self.after_login = None

    def cpu_ms(self):
        return [1000 * sample.cpu / sample.hosts for sample in self.samples]

    def walls(self):
        return [sample.wall for sample in self.samples]

    def cpu(self):
        return statistics.median(self.cpu_ms())

    def wall(self):
        return statistics.median(self.walls())

    def peak_mb(self):
        return max(sample.peak_kb for sample in self.samples) / 1024


class Target:
    """VALUE must be at most LIMIT (or at least, with AT_LEAST). VALUE None: it was not measured, and does not hold."""

    def __init__(self, work, what, value, limit, unit="", at_least=False):
        self.work, self.what, self.value, self.limit, self.unit, self.at_least = work, what, value, limit, unit, at_least

    def holds(self):
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def row(self):
        value = "not measured" if self.value is None else f"{self.value:.2f}{self.unit}"
        sign = "≥" if self.at_least else "≤"
        return [self.work, self.what, f"{sign} {self.limit:g}{self.unit}", value, "yes" if self.holds() else "**no**"]


def ratio(figures, one, other, key="cpu"):
    """How many times OTHER's median ONE's is; None where one of them is missing."""
    if one not in figures or other not in figures:
        return None
    return getattr(figures[one], key)() / getattr(figures[other], key)()


def spread(values, digits):
    """"median (least–most)" """
    text = f"{statistics.median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def figure_rows(figures, base):
    """A row a client, its CPU as a multiple of BASE's."""
    rows = []
    for figure in figures.values():
        times = ratio(figures, figure.client, base)
        rows.append([figure.client, spread(figure.cpu_ms(), 2), f"{times:.2f}" if times else "",
                     spread(figure.walls(), 2), f"{figure.peak_mb():.1f}",
                     "" if figure.bytes is None else f"{figure.bytes / 1000:.1f}",
                     "" if figure.round_trips is None else f"{figure.round_trips:.1f}"])
    return rows


FIGURE_HEAD = ["client", "CPU a host, ms", "× {base}", "wall, s", "peak memory, MB", "bytes a host, kB", "round trips"]
TARGET_HEAD = ["work", "target", "limit", "measured", "holds"]


def table(head, rows):
    """In Markdown; every cell a text."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
