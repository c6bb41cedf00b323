"""95% intervals of one run's accuracy and AUC; they stay honest where nothing was got wrong."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

from flipad_ops.detection import Rate

LEVEL = 0.95


def accuracy_interval(hits: int, own: int, refused: int, foreign: int) -> tuple[float, float]:
    """Of the mean of two rates: `hits` of `own` attributed, `refused` of `foreign` not.

    Each rate gets its Clopper-Pearson interval at 97.5%, so both hold together with 95%
    (Bonferroni).
    """
    level = 1 - (1 - LEVEL) / 2
    rates = Rate.of(hits, own, level), Rate.of(refused, foreign, level)
    return sum(rate.low for rate in rates) / 2, sum(rate.high for rate in rates) / 2


def auc_interval(auc: float, own: int, foreign: int) -> tuple[float, float]:
    """Newcombe's method 5 (Statistics in Medicine 25, 2006): score-like, so that an AUC of 1 has
    a lower bound below 1."""
    z = float(norm.ppf(0.5 + LEVEL / 2))
    spread = (own + foreign) / 2 - 1

    def beyond(theta: float) -> float:
        factor = 1 + spread * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * factor / (own * foreign)
        return abs(auc - theta) - z * math.sqrt(max(variance, 0.0))

    low = 0.0 if auc <= 0 or beyond(0.0) <= 0 else float(brentq(beyond, 0.0, auc))
    high = 1.0 if auc >= 1 or beyond(1.0) <= 0 else float(brentq(beyond, auc, 1.0))
    return low, high
