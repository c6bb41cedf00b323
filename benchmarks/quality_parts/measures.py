"""The columns of every row, from scores; low scores mean "ours"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from flipad_ops.detection import auc

Scores = NDArray[np.float64]


def columns(own: Scores, foreign: Scores, threshold: float) -> dict[str, float]:
    """Accuracy at the calibrated threshold, AUC, error rates, TPR at fixed FPRs.

    `tpr_at_fpr_0.1` is NaN below 1,000 foreign images, which cannot tell 0.1% from none.
    """
    fnr, fpr = float((own > threshold).mean()), float((foreign <= threshold).mean())
    return {
        "accuracy": 1 - (fnr + fpr) / 2,
        "auc": auc(own, foreign),
        "fpr": fpr,
        "fnr": fnr,
        "tpr_at_fpr_1": tpr_at(own, foreign, 0.01),
        "tpr_at_fpr_0.1": tpr_at(own, foreign, 0.001),
    }


def tpr_at(own: Scores, foreign: Scores, fpr: float) -> float:
    """Share of own scores below the `fpr` quantile of foreign ones."""
    allowed = math.floor(fpr * len(foreign) + 1e-9)
    if allowed < 1:
        return math.nan
    return float((own < np.sort(foreign)[allowed]).mean())


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean with its 95% Student interval over seeds; NaN bounds for fewer than two."""
    kept = np.array([v for v in values if not math.isnan(v)])
    if len(kept) == 0:
        return {"mean": math.nan, "low": math.nan, "high": math.nan, "runs": 0}
    mean, half = float(kept.mean()), math.nan
    if len(kept) > 1:
        half = float(t.ppf(0.975, len(kept) - 1) * kept.std(ddof=1) / math.sqrt(len(kept)))
    return {"mean": mean, "low": mean - half, "high": mean + half, "runs": len(kept)}
