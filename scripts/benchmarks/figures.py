"""What was measured, and how it is told."""

import math
import statistics
from dataclasses import dataclass, field


@dataclass
class Figure:
    """One measurement. `aim` is the largest ratio to the reference that is good enough; for a figure without a
    reference it is the largest value, and `None` says that the figure is only told."""

    name: str
    unit: str
    samples: list
    reference: str = ""
    reference_samples: list = field(default_factory=list)
    aim: float | None = None

    @property
    def median(self):
        return statistics.median(self.samples)

    @property
    def p95(self):
        return percentile(self.samples, 95)

    @property
    def reference_median(self):
        return statistics.median(self.reference_samples) if self.reference_samples else None

    @property
    def ratio(self):
        return self.median / self.reference_median if self.reference_median else None

    @property
    def met(self):
        if self.aim is None:
            return None
        if self.reference_samples:
            return self.ratio is not None and self.ratio <= self.aim
        return max(self.samples) <= self.aim

    def as_json(self):
        return {
            "name": self.name,
            "unit": self.unit,
            "runs": len(self.samples),
            "median": self.median,
            "p95": self.p95,
            "reference": self.reference or None,
            "reference_median": self.reference_median,
            "ratio": self.ratio,
            "aim": self.aim,
            "met": self.met,
        }


def percentile(samples, percent):
    """The smallest sample that at least `percent` of all are not above."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def number(value):
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def cells(figure):
    verdict = {None: "", True: "yes", False: "NO"}[figure.met]
    return [
        figure.name,
        figure.unit,
        str(len(figure.samples)),
        number(figure.median),
        number(figure.p95),
        figure.reference,
        number(figure.reference_median),
        number(figure.ratio),
        "" if figure.aim is None else f"≤ {number(figure.aim)}",
        verdict,
    ]


HEADINGS = ["figure", "unit", "runs", "median", "p95", "reference", "its median", "ratio", "aim", "met"]


def table(measured):
    rows = [HEADINGS] + [cells(figure) for figure in measured]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    texts = {0, 1, 5}

    def told(row):
        aligned = (
            cell.ljust(width) if column in texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([told(rows[0]), "  ".join("-" * width for width in widths), *map(told, rows[1:])])


def line(figure):
    """One figure, as it is told the moment it is there."""
    told = f"{figure.name}: {number(figure.median)} {figure.unit}"
    if figure.reference_samples:
        told += f", {number(figure.ratio)} times {figure.reference} ({number(figure.reference_median)})"
    return told
