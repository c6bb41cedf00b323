"""The rows as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LABELS = {"ours": "FLIPAD (ours)", "rawpad": "RawPAD", "dctpad": "DCTPAD"}
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
    lines = [HEAD.format(machine=machine), "| domain | sample | own, foreign tested |"]
    lines[-1] += "".join(f" {LABELS[m]}: accuracy, AUC |" for m in LABELS)
    lines[-1] += " s per sample | peak memory |"
    lines.append("|---|---|---|" + "---|" * len(LABELS) + "---|---|")
    for name, row in rows.items():
        shape = "x".join(map(str, row["shape"]))
        foreign = sum(n for key, n in row["sizes"].items() if key.startswith("test "))
        cells = [f"[{row['title']}](#{name})", shape, f"{row['sizes']['own test']}, {foreign}"]
        cells += [_cell(row["methods"].get(method, {}).get("all")) for method in LABELS]
        cells += [f"{row['seconds_per_sample']:.3g}", f"{row['peak_mb']} MiB"]
        lines.append("| " + " | ".join(cells) + " |")
    for name, row in rows.items():
        lines += _section(name, row)
    return "\n".join(lines) + "\n"


def _section(name: str, row: Mapping[str, Any]) -> list[str]:
    sizes = ", ".join(f"{key} {value}" for key, value in row["sizes"].items())
    lines = [
        "", f"## {name}", "", f"{row['title']}. {row['note']}".strip(), "",
        f"Seed {row['seed']}, budget {row['budget']:g}; final layer {row['layer']}; {sizes}. "
        f"Material {row['material_s']:.0f} s, fit {row['fit_s']:.0f} s; "
        f"{row['unconverged']:.1%} of its inversions missed their tolerance.", "",
        "| tested against |" + "".join(f" {LABELS[m]}: accuracy, AUC |" for m in LABELS),
        "|---|" + "---|" * len(LABELS),
    ]  # fmt: skip
    for test in row["methods"]["ours"]:
        label = f"{test} (never seen)" if test in row["unseen"] else test
        cells = [_cell(row["methods"].get(method, {}).get(test)) for method in LABELS]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [""] if row["extra"] else []
    lines += [f"- {key}: {value}" for key, value in row["extra"].items()]
    return lines


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = (100 * bound for bound in found["accuracy_95"])
    below, above = found["auc_95"]
    return (
        f"{100 * found['accuracy']:.1f} ({low:.1f} to {high:.1f}), "
        f"{found['auc']:.3f} ({below:.3f} to {above:.3f})"
    )
