"""The tables as a Markdown page."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.frame import pages
from benchmarks.quality_parts.fdr import FDR, IMAGES, SCANS
from benchmarks.quality_parts.perturbations import PERTURBATIONS
from benchmarks.quality_parts.rows import METHODS
from benchmarks.quality_parts.summary import (
    ARCHITECTURE_ROWS,
    VERSION_ROWS,
    cell,
    methods_of,
    perturbed_cell,
)

Cell = Callable[[str, str], dict[str, float]]
COLUMNS = {
    "auc": "AUC", "fpr": "FPR at 0.5% FNR", "tpr_at_fpr_1": "TPR at 1% FPR",
    "tpr_at_fpr_0.1": "TPR at 0.1% FPR",
}  # fmt: skip


def write_markdown(result: dict[str, Any], path: Path) -> None:
    """Write the page."""
    rows = result["rows"]
    present = methods_of(rows)

    def tests(column: str) -> Cell:
        return lambda method, row: cell(rows, method, row, column)

    targets = sorted({record["target"] for record in rows})
    lines = [
        "# Quality of attribution", "",
        f"Written by `{result['command'].strip()}` on {result['machine']}. "
        f"Targets: the Fashion-MNIST DCGANs of seeds {', '.join(map(str, targets))}; each is "
        "fitted with its own seed. Cells: mean over targets, with its 95% Student interval where "
        "there are two or more. Accuracy weighs own and foreign 50:50 at the threshold that each "
        "method calibrated on held-out own samples for 0.5% FNR (ceiling 99.75%). Sizes: "
        f"{pages.listed(result['sizes'])}.", "",
        "Real images are the only foreign images that training sees, except in the rows that say "
        "two siblings were seen: those are samples of two other DCGAN seeds, never the tested "
        "ones. No tested generator is in any training set; tested real images are another file.",
        "", "## Summary", "",
        *pages.bullets(result["summary"]),
    ]  # fmt: skip
    lines += _table("Table 1: architectures (accuracy)", present, ARCHITECTURE_ROWS,
                    tests("accuracy"))  # fmt: skip
    lines += _table("Table 2: versions of one architecture (accuracy)", present, VERSION_ROWS,
                    tests("accuracy"))  # fmt: skip
    hows = [how for how in PERTURBATIONS if any(how in r["perturbed"] for r in rows)]
    lines += _table(
        "Table 3: perturbed own against equally perturbed real images (accuracy)",
        [m for m in present if not METHODS[m].few], hows,
        lambda method, how: perturbed_cell(rows, method, how, "accuracy"),
    )  # fmt: skip
    for column, title in COLUMNS.items():
        lines += _table(f"{title}", present, (*ARCHITECTURE_ROWS, *VERSION_ROWS, "all"),
                        tests(column))  # fmt: skip
    lines += _error_rates(rows)
    spent = {m: [r["fit_cpu_s"] for r in rows if r["method"] == m] for m in present}
    lines += ["", "## Run times", ""]
    lines += pages.table(
        ("row", "CPU seconds of a fit, inversions remembered"),
        ((METHODS[m].label, f"{min(s):.0f} to {max(s):.0f}") for m, s in spent.items()),
    )
    path.write_text(pages.text(lines), encoding="utf-8")


def _error_rates(rows: list[dict[str, Any]]) -> list[str]:
    """Realised FPR by stratum and FDR by share of leaks, pooled over targets."""
    lines = []
    for method in (m for m in methods_of(rows) if any("fdr" in r for r in rows)):
        found = [r for r in rows if r["method"] == method and "fdr" in r]
        if not found:
            continue
        lines += [
            "", f"## Error rates: {METHODS[method].label}", "",
            f"{SCANS} simulated scans of {IMAGES} images for each target; FDR level {FDR}. "
            "As fitted: the fit's own calibration images. Redrawn: calibration and scan anew.",
            "",
        ]  # fmt: skip
        shares = []
        for share in found[0]["fdr"]:
            cells = [r["fdr"][share] for r in found]
            power = [c["power"] for c in cells if c["power"] is not None]
            text = f"{100 * sum(power) / len(power):.1f}%" if power else "-"
            fdr, fitted = (sum(c[k] for c in cells) / len(cells) for k in ("fdr", "fdr_as_fitted"))
            shares.append((f"{100 * float(share):g}%", f"{fdr:.3f}", f"{fitted:.3f}", text))
        lines += pages.table(
            ("share of leaks", "FDR, redrawn", "FDR, as fitted", "leaks found"), shares
        )
        rates = [
            (r["target"], stratum, level, f"{c['fpr']:.3f}", c["count"], f"{c['upper']:.3f}",
             "yes" if c["inside"] else "NO")
            for r in found for stratum, levels in r["fpr"].items() for level, c in levels.items()
        ]  # fmt: skip
        lines += ["", *pages.table(
            ("target", "stratum", "level", "realised FPR", "images", "upper bound", "inside"), rates
        )]  # fmt: skip
    return lines


def _table(title: str, methods: list[str], rows: Any, value: Cell) -> list[str]:
    shown = [row for row in rows if any(value(m, row)["runs"] for m in methods)]
    if not shown:
        return []
    cells = ([METHODS[m].label, *(_text(value(m, row)) for row in shown)] for m in methods)
    return ["", f"## {title}", "", *pages.table(("row", *shown), cells)]


def _text(found: dict[str, float]) -> str:
    if found["runs"] == 0 or math.isnan(found["mean"]):
        return "-"
    mean = f"{100 * found['mean']:.1f}"
    if math.isnan(found["low"]):
        return mean
    return f"{mean} ± {100 * (found['high'] - found['mean']):.1f}"
