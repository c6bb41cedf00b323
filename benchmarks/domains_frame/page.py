"""The rows as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.frame import pages

LABELS = {"ours": "FLIPAD (ours)", "rawpad": "RawPAD", "dctpad": "DCTPAD"}
FIGURES = [f"{label}: accuracy, AUC" for label in LABELS.values()]
HEAD = """# Every kind of generator

Written by `python -m benchmarks.domains`, one process and one thread a row, on {machine}. Accuracy
weighs own and foreign samples 50:50 at the threshold that each method calibrated on held-out own
samples for 0.5% FNR (ceiling 99.75%). In brackets 95% intervals over the samples of one fit:
Clopper-Pearson (both rates together) for accuracy, Newcombe's method 5 for AUC. Tested samples are
in no training and no calibration. RawPAD and DCTPAD train on all negatives, FLIPAD on half of them:
the other half calibrates its p-values and tests the fit. Seconds are `Attributor.score`'s for an
own sample; memory is the peak of the process that made the material, fitted and scored.
"""


def page(rows: Mapping[str, Mapping[str, Any]], machine: str) -> str:
    """One line a domain, then each domain's test sets."""
    told = []
    for name, row in rows.items():
        shape = "x".join(map(str, row["shape"]))
        foreign = sum(n for key, n in row["sizes"].items() if key.startswith("test "))
        cells = [f"[{row['title']}](#{name})", shape, f"{row['sizes']['own test']}, {foreign}"]
        cells += [_cell(row["methods"].get(method, {}).get("all")) for method in LABELS]
        cells += [f"{row['seconds_per_sample']:.3g}", f"{row['peak_mb']} MiB"]
        told.append(cells)
    columns = ("domain", "sample", "own, foreign tested", *FIGURES, "s per sample", "peak memory")
    lines = [HEAD.format(machine=machine), *pages.table(columns, told)]
    for name, row in rows.items():
        lines += _section(name, row)
    return pages.text(lines)


def _section(name: str, row: Mapping[str, Any]) -> list[str]:
    cells = [
        [f"{test} (never seen)" if test in row["unseen"] else test,
         *(_cell(row["methods"].get(method, {}).get(test)) for method in LABELS)]
        for test in row["methods"]["ours"]
    ]  # fmt: skip
    lines = [
        "", f"## {name}", "", f"{row['title']}. {row['note']}".strip(), "",
        f"Seed {row['seed']}, budget {row['budget']:g}; final layer {row['layer']}; "
        f"{pages.listed(row['sizes'])}. "
        f"Material {row['material_s']:.0f} s, fit {row['fit_s']:.0f} s; "
        f"{row['unconverged']:.1%} of its inversions missed their tolerance.", "",
        *pages.table(("tested against", *FIGURES), cells),
    ]  # fmt: skip
    return [*lines, *([""] if row["extra"] else []), *pages.bullets(row["extra"])]


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = (100 * bound for bound in found["accuracy_95"])
    below, above = found["auc_95"]
    return (
        f"{100 * found['accuracy']:.1f} ({low:.1f} to {high:.1f}), "
        f"{found['auc']:.3f} ({below:.3f} to {above:.3f})"
    )
