# SPDX-License-Identifier: Apache-2.0
"""Rows of the benchmark, their table for people and their file for programs."""

import json
import operator
import os
import statistics
from dataclasses import dataclass

COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, "=": operator.eq}


@dataclass
class Row:
    section: str
    name: str
    samples: list
    unit: str
    bar: str = ""  # such as "<= 0.8"; empty = shown, not judged
    note: str = ""  # why a measurement does not count, such as lost copies

    @property
    def value(self):
        return statistics.median(self.samples)

    @property
    def spread(self):
        """The quartiles: half of the samples lie between them."""
        if len(self.samples) < 2:
            return self.value, self.value
        quartiles = statistics.quantiles(self.samples, n=4, method="inclusive")
        return quartiles[0], quartiles[2]

    @property
    def passed(self):
        """True, False, or None for a row without a bar."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()
        return not self.note and COMPARISONS[sign](self.value, float(limit))

    def record(self):
        return {"section": self.section, "name": self.name, "value": self.value, "unit": self.unit,
                "bar": self.bar or None, "pass": self.passed}


def _number(value):
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def table(rows):
    """The rows as aligned text."""
    lines = [["", "median", "unit", "quartiles", "n", "bar", ""]]
    for row in rows:
        verdict = {True: "ok", False: "FAILED", None: ""}[row.passed]
        low, high = row.spread
        lines.append([row.name, _number(row.value), row.unit, f"{_number(low)} .. {_number(high)}" if len(row.samples) > 1 else "",
                      str(len(row.samples)), row.bar, f"{verdict}{': ' if verdict and row.note else ''}{row.note}"])
    widths = [max(len(line[column]) for line in lines) for column in range(7)]
    right = (1, 4)
    return "\n".join("  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def write_results(path, rows):
    """Replaces the rows of the sections that were run; those of others stay."""
    old = []
    if os.path.exists(path):
        with open(path) as source:
            old = json.load(source)
    run = {row.section for row in rows}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as out:
        json.dump([entry for entry in old if entry["section"] not in run] + [row.record() for row in rows], out, indent=1)
        out.write("\n")
    os.rename(path + ".new", path)
