"""The report of benchmarks/inversion.py as a page."""

from __future__ import annotations

from typing import Any

from benchmarks.frame import pages

_FIGURES = ("ms_per_image", "iterations", "objective", "largest_gap")


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    figures = ((key, f"{value:.4g}") for key, value in report["summary"].items())
    cases = (
        [row["case"], row["solver"], row["images"],
         *(f"{row[key]:.4g}" if key in row else "" for key in _FIGURES)]
        for row in report["rows"]
    )  # fmt: skip
    memory = (
        (row["case"], row["images"], f"{row['peak_bytes'] / 2**20:.0f}",
         f"{row['formula_bytes'] / 2**20:.0f}", f"{row['cpu_s_per_iteration_and_image']:.4g}")
        for row in report["memory"]
    )  # fmt: skip
    lines = [
        "# Inversion engine", "", f"`{report['command']}`", "",
        *pages.table(("figure", "value"), figures), "",
        *pages.table(
            ("case", "solver", "images", "ms/image", "iterations", "objective", "largest gap"),
            cases,
        ), "",
        *pages.table(
            ("memory of", "images", "peak MiB", "formula MiB", "CPU s/iteration/image"), memory
        ), "",
        *(f"- {note}" for note in report["notes"]),
    ]  # fmt: skip
    return pages.text(lines)
