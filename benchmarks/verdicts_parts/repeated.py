"""Decisions that add up: a year of scans, fifty models, folders alike, known leaks suppressed.

Simulated p-values, decided by the product's own functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.verdicts_parts.groups import group_false_alarm_icc
from benchmarks.verdicts_parts.over_time import models50_false_exit, uniform, year_false_alarm
from flipad_ops.detection import Rate
from flipad_ops.scanning.decisions.family import Family, counted

Row = dict[str, Any]
SECTION = "repeated"
FDR, KNOWN, NEW, CALIBRATED = 0.01, 3000, 1000, 2000
#: Contents of a scan that are alike, as tiles of one picture are.
ALIKE = 5


def rows(budget: float = 1.0) -> Iterator[Row]:
    """One a figure: what happened, and what is stated."""
    years, scans = max(20, round(200 * budget)), max(40, round(400 * budget))
    null = uniform(alike=ALIKE)  # no floor: the hardest case
    yield {"how": "a year of daily scans", **year_false_alarm(null, years=years)}
    yield {"how": "fifty models", **models50_false_exit(null, scans=scans)}
    for correlation, found in group_false_alarm_icc(scans=max(40, round(300 * budget))).items():
        yield {"how": f"folders, correlation {correlation}", **found}
    yield {"how": "known leaks suppressed", **suppressed(scans)}


def suppressed(scans: int, seed: int = 0) -> Row:
    """Scans of KNOWN suppressed leaks and NEW foreign contents: how many end with a false leak."""
    source, wrong = np.random.default_rng(seed), 0
    floor = 1 / (CALIBRATED + 1)
    known = frozenset(f"known {number}" for number in range(KNOWN))
    for _ in range(scans):
        p = np.ceil(source.uniform(size=NEW) / floor) * floor
        tests = [*((name, floor) for name in known), *((str(i), v) for i, v in enumerate(p))]
        family = Family({"a": counted(iter(tests), known)}, FDR)
        wrong += bool((p <= family.cut).any())
    rate = Rate.of(wrong, scans)
    return {"share": rate.value, "low": rate.low, "high": rate.high, "scans": scans, "bound": FDR}


def summarised(found: list[Row]) -> Row:
    """Of the rows above."""
    by = {row["how"]: row for row in found if row["section"] == SECTION}
    if not by:
        return {}
    folders = {how: row for how, row in by.items() if how.startswith("folders")}
    return {
        "year_false_alarm": by["a year of daily scans"]["share"],
        "year_false_alarm_bound": by["a year of daily scans"]["bound"],
        "models50_false_exit": by["fifty models"]["share"],
        "group_false_alarm_icc": max(row["share"] for row in folders.values()),
        "suppressed_fdr": by["known leaks suppressed"]["share"],
    }
