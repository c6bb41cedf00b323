"""Accuracy of every method in every row, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.frame.figures import drawn
from benchmarks.quality_parts.rows import METHODS
from benchmarks.quality_parts.summary import (
    ARCHITECTURE_ROWS,
    VERSION_ROWS,
    cell,
    methods_of,
)


def write_plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Dots by row, one colour a method."""
    shown = [*ARCHITECTURE_ROWS, *VERSION_ROWS]
    with drawn(path, "quality", figsize=(8, 4.5)) as axes:
        for method in methods_of(rows):
            values = [cell(rows, method, row, "accuracy")["mean"] for row in shown]
            axes.plot(shown, [100 * value for value in values], "o-", label=METHODS[method].label)
        axes.set_ylabel("accuracy at 0.5% FNR, %")
        axes.set_ylim(45, 101)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", ncols=2)
        axes.tick_params(axis="x", rotation=20)
