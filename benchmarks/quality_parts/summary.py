"""From records per target to the tables' cells and the flat summary."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.quality_parts.measures import interval
from benchmarks.quality_parts.rows import METHODS

FIRST, REGISTRY = "ours", "ours+"
#: Test sets of Table 1 and of Table 2, by prefix or ending.
ARCHITECTURE_ROWS = ("real", "wgan-gp", "lsgan", "ebgan", "vae")
VERSION_ROWS = ("other seed", "fine-tuned", "distilled")


def row_of(test: str) -> str:
    """The table row that a test set counts towards."""
    if test.endswith("-tuned"):
        return "fine-tuned"
    if test.endswith("-distilled"):
        return "distilled"
    if test.startswith("dcgan-"):
        return "other seed"
    return next((row for row in ARCHITECTURE_ROWS if test.startswith(row)), test)


def cell(rows: list[dict[str, Any]], method: str, row: str, column: str) -> dict[str, float]:
    """Mean and interval of a column over target versions; test sets of a row are averaged."""
    values = []
    for record in rows:
        if record["method"] == method:
            found = [c[column] for test, c in record["tests"].items() if row_of(test) == row]
            values += [_mean(found)] if found else []
    return interval(values)


def perturbed_cell(rows: list[dict[str, Any]], method: str, how: str, column: str
                   ) -> dict[str, float]:  # fmt: skip
    """The same for a perturbation."""
    return interval([
        record["perturbed"][how][column] for record in rows
        if record["method"] == method and how in record["perturbed"]
    ])  # fmt: skip


def methods_of(rows: list[dict[str, Any]]) -> list[str]:
    """Methods present, in the order of METHODS."""
    present = {record["method"] for record in rows}
    return [name for name in METHODS if name in present]


def summarise(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """The headline figures of our own rows; None where no row supports one.

    Tables 1 and 3 and JPEG are the first version's (no siblings in the registry), the harder case.
    """
    table1 = [cell(rows, FIRST, row, "accuracy")["mean"] for row in ARCHITECTURE_ROWS]
    perturbations = sorted({how for record in rows for how in record["perturbed"]})
    table3 = [perturbed_cell(rows, FIRST, how, "accuracy")["mean"] for how in perturbations]
    jpeg = perturbed_cell(rows, FIRST, "jpeg-90", "accuracy")["mean"]
    return {
        "table1_accuracy_mean": _number(_mean(table1)),
        "table1_accuracy_min": _number(_least(table1)),
        "table2_accuracy_mean": _number(cell(rows, FIRST, "other seed", "accuracy")["mean"]),
        "table2_siblings_accuracy_mean": _number(
            cell(rows, REGISTRY, "other seed", "accuracy")["mean"]
        ),
        "jpeg90_accuracy": _number(jpeg),
        "table3_accuracy_min": _number(_least(table3)),
        "fdr_realised": _number(_worst_fdr(rows)),
    }


def _worst_fdr(rows: list[dict[str, Any]]) -> float:
    """The largest of the shares of leaks, each averaged over targets."""
    found = [record["fdr"] for record in rows if record["method"] == REGISTRY and "fdr" in record]
    if not found:
        return math.nan
    return max(_mean(record[share]["fdr"] for record in found) for share in found[0])


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean(values: Iterable[float]) -> float:
    known = _known(values)
    return sum(known) / len(known) if known else math.nan


def _least(values: Iterable[float]) -> float:
    return min(_known(values), default=math.nan)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
