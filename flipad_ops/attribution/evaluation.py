"""Held-out figures of a fitted detector, in the paper's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.detection import Rate, auc

Scores = NDArray[np.float64]


def evaluate_scores(
    own: Scores,
    foreign: Mapping[str, Scores],
    threshold: float,
    origins: Mapping[str, NDArray[np.int64]] | None = None,
) -> dict[str, Any]:
    """Rates at `threshold` on samples used neither for training nor for calibration.

    Parameters
    ----------
    own : (n,) float64
    foreign : mapping of stratum to (n,) float64
    threshold : float
    origins : mapping of stratum to (n,) int64, optional
        Whose the foreign samples are, see `Rate.among`; of a missing stratum each has its own.

    Returns
    -------
    dict
        "tpr" and per stratum "fpr" (value, low, high, count, origins), "auc" and "accuracy" (own
        and foreign weighted 50:50, as the paper does).
    """
    tpr = Rate.of(int((own <= threshold).sum()), len(own))
    strata = {}
    for name, scores in foreign.items():
        of = (origins or {}).get(name, np.arange(len(scores)))
        fpr = Rate.among(scores <= threshold, of[: len(scores)])
        strata[name] = {
            "fpr": asdict(fpr),
            "auc": auc(own, scores),
            "accuracy": (tpr.value + 1.0 - fpr.value) / 2,
        }
    return {"tpr": asdict(tpr), "strata": strata}
