"""What a measurement found, beside what it should find, as one table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table. - measured must be `bound` goal. - detail: how many runs, how far apart."""

    what: str
    goal: float
    measured: float
    unit: str
    detail: str
    command: str
    bound: Literal["<", "≤", "≥"] = "<"

    @property
    def reached(self) -> bool:
        """Whether the goal holds."""
        match self.bound:
            case "<":
                return self.measured < self.goal
            case "≤":
                return self.measured <= self.goal
            case "≥":
                return self.measured >= self.goal


def spread(values: Sequence[float], unit: str) -> str:
    """Median, smallest and largest of several runs in words; the middle is what gets compared."""
    return f"median of {len(values)}, {min(values):.3g} to {max(values):.3g} {unit}"


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))


def table(results: Sequence[Result]) -> str:
    """Markdown, as `README.md` has it."""
    rows = [("what", "goal", "measured", "", "how", "command")]
    for result in results:
        goal = f"{result.bound} {result.goal:g} {result.unit}"
        measured = f"**{result.measured:.3g} {result.unit}**"
        verdict = "reached" if result.reached else "MISSED"
        rows.append((result.what, goal, measured, verdict, result.detail, f"`{result.command}`"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def machine() -> str:
    """What the numbers were taken on, and whether it was busy with something else."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load before the start {os.getloadavg()[0]:.2f}"
    )
