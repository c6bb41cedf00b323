"""Accuracy by alteration with and without the second witness, and areas, as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from benchmarks.frame.figures import drawn
from benchmarks.regeneration_parts.alterations import ALTERATIONS
from benchmarks.regeneration_parts.field import Row, select
from benchmarks.regeneration_parts.figures import AREAS, accuracies


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Two panels."""
    with drawn(path, "regeneration", 1, 2, figsize=(11, 4.5), width_ratios=(3, 1)) as axes:
        _alterations(axes[0], rows)
        _areas(axes[1], rows)


def _alterations(axis: Axes, rows: Sequence[Row]) -> None:
    for count, label, style in (
        ("attributed", "with the second witness", "o"),
        ("without_second", "without", "x"),
    ):
        for place, how in enumerate(ALTERATIONS):
            values = [100 * value for value in accuracies(rows, how, count).values()]
            if values:
                shown = label if place == 0 else None
                colour = "C0" if count == "attributed" else "C1"
                axis.plot([place], [statistics.fmean(values)], style, color=colour, label=shown)
                axis.vlines(place, min(values), max(values), color=colour, alpha=0.4)
    axis.set_xticks(range(len(ALTERATIONS)), list(ALTERATIONS), rotation=60, ha="right", size=8)
    axis.set_ylabel("accuracy, %: mean over kinds, least to largest")
    axis.set_ylim(-3, 103)
    axis.grid(alpha=0.3)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="small")


def _areas(axis: Axes, rows: Sequence[Row]) -> None:
    for place, (section, how, method) in enumerate(AREAS.values()):
        for row in select(rows, section=section, how=how, kind="AUC", method=method):
            low, high = row["auc_95"]
            axis.vlines(place, low, high, color="C0")
            axis.plot([place], [row["auc"]], "o", color="C0")
    sides = {"taef2": 64, "taef2_256": 256}
    names = [f"{method}, {how}, {sides[section]}" for section, how, method in AREAS.values()]
    axis.set_xticks(range(len(names)), names, rotation=60, ha="right", size=8)
    axis.set_ylabel("AUC, taef2 at 64x64 and 256x256")
    axis.set_ylim(-0.03, 1.03)
    axis.grid(alpha=0.3)
