"""95% intervals of one run's accuracy and AUC; they stay honest where nothing was got wrong."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

from flipad_ops.detection import Rate

LEVEL = 0.95
TINY = 1e-9


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

    # At 0 and 1 the equation holds by itself, as the variance is zero there.
    low = float(brentq(beyond, 0.0, min(auc, 1 - TINY))) if auc > 0 else 0.0
    high = float(brentq(beyond, max(auc, TINY), 1.0)) if auc < 1 else 1.0
    return low, high
