"""`group_false_alarm_icc`: folders of foreign images whose false alarms are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flipad_ops.detection.calibration import Rate
from flipad_ops.scanning.decisions.groups import call, prefix_tests

#: Images of a folder.
SIZES = (5, 20, 100, 500)


def group_false_alarm_icc(
    correlations: Sequence[float] = (0.0, 0.1, 0.2),
    *,
    rate: float = 0.01,
    scans: int = 300,
    folders: int = 20,
    fdr: float = 0.01,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Share of clean scans that call any group, by intra-class correlation of false alarms.

    Every folder's rate of false alarms is drawn from a beta distribution of mean `rate`, whose
    spread is the correlation; the product tests with `rate` as its upper bound.

    Returns
    -------
    dict of str (the correlation) to dict
        `share`, `low` and `high` (95% Clopper-Pearson) of `scans` scans, and the `bound`.
    """
    return {
        f"{correlation:g}": _share(correlation, rate, scans, folders, fdr, seed)
        for correlation in correlations
    }


def _share(
    correlation: float, rate: float, scans: int, folders: int, fdr: float, seed: int
) -> dict[str, Any]:
    source, wrong = np.random.default_rng([seed, round(1000 * correlation)]), 0
    for _ in range(scans):
        judged = list[tuple[str, bool, bool]]()
        for folder, size in enumerate(source.choice(SIZES, size=folders)):
            own = rate
            if correlation:
                weight = 1 / correlation - 1
                own = source.beta(rate * weight, (1 - rate) * weight)
            hits = source.uniform(size=size) < own
            judged += [(f"{folder}/{i}", bool(hit), False) for i, hit in enumerate(hits)]
        (tests,) = call({"attributor": prefix_tests(judged, rate)}, fdr).values()
        wrong += any(test.called for test in tests)
    found = Rate.of(wrong, scans)
    return {
        "share": found.value, "low": found.low, "high": found.high, "scans": scans, "bound": fdr,
    }  # fmt: skip
