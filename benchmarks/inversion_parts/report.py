"""The report of benchmarks/inversion.py as a page."""

from __future__ import annotations

from typing import Any


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# Inversion engine",
        "",
        f"`{report['command']}`",
        "",
        "| figure | value |",
        "|---|---|",
    ]
    lines += [f"| {key} | {value:.4g} |" for key, value in report["summary"].items()]
    lines += ["", "| case | solver | images | ms/image | iterations | objective | largest gap |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in report["rows"]:
        cells = [row["case"], row["solver"], str(row["images"])]
        cells += [
            f"{row[key]:.4g}" if key in row else ""
            for key in ("ms_per_image", "iterations", "objective", "largest_gap")
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| memory of | images | peak MiB | formula MiB | CPU s/iteration/image |"]
    lines += ["|---|---|---|---|---|"]
    for row in report["memory"]:
        lines.append(
            f"| {row['case']} | {row['images']} | {row['peak_bytes'] / 2**20:.0f} "
            f"| {row['formula_bytes'] / 2**20:.0f} "
            f"| {row['cpu_s_per_iteration_and_image']:.4g} |"
        )
    lines += ["", *(f"- {note}" for note in report["notes"])]
    return "\n".join(lines) + "\n"
