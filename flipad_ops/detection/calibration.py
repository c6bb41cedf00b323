"""Threshold, p-values and intervals: what turns a distance into a decision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from flipad_ops.common.errors import AttributorUncalibrated

Scores = NDArray[np.float64]


def threshold_at_fnr(own_scores: Scores, fnr: float) -> float:
    """The least held-out own score such that a further own image lies above it with a probability
    of at most `fnr` (split conformal: the ceil((n + 1) (1 - fnr))-th smallest); the largest where
    n is too small for that, see `missed_at_most`. A score at or below it is attributed.

    Parameters
    ----------
    own_scores : (n,) float64
    fnr : float
        Tolerable false negative rate (paper: 0.005).

    Raises
    ------
    AttributorUncalibrated
        No scores, or not finite.
    """
    scores = np.asarray(own_scores, dtype=np.float64)
    if scores.size == 0 or not np.isfinite(scores).all():
        raise AttributorUncalibrated("Calibration needs finite scores of held-out own samples.")
    # Beyond the last bits: 0.9 * 10 is more than 9.
    rank = math.ceil((scores.size + 1) * (1.0 - fnr) - 1e-9)
    return float(np.sort(scores)[min(rank, scores.size) - 1])


def missed_at_most(above: int, count: int, confidence: float = 0.95) -> float:
    """Upper bound of the share of own images above a threshold that is one of `count` held-out own
    scores, `above` of which lie above it (tolerance limit; Wilks 1941)."""
    return float(beta.ppf(confidence, above + 1, count - above))


def conformal_p(scores: Scores, null_scores: Mapping[str, Scores]) -> Scores:
    """Conformal p-value of "not ours" for each score, the largest over the null's strata.

    `p = (1 + #{null <= s}) / (n + 1)` in each stratum; its floor is 1 / (n + 1).

    Parameters
    ----------
    scores : (m,) float64
    null_scores : mapping of stratum to (n,) float64
        Scores of foreign calibration samples.

    Raises
    ------
    AttributorUncalibrated
        There is no stratum, or an empty one.
    """
    if not null_scores or any(len(null) == 0 for null in null_scores.values()):
        raise AttributorUncalibrated("Calibration needs foreign scores in every stratum.")
    values = np.asarray(scores, dtype=np.float64)
    p = np.zeros_like(values)
    for null in null_scores.values():
        below = np.searchsorted(np.sort(null), values, side="right")
        p = np.maximum(p, (1.0 + below) / (len(null) + 1.0))
    return p


def p_floor(null_scores: Mapping[str, Scores], none: float = 1.0) -> float:
    """The smallest p-value that `conformal_p` can give; `none` where there are no strata."""
    return max((1.0 / (len(null) + 1.0) for null in null_scores.values()), default=none)


@dataclass(frozen=True)
class Rate:
    """A proportion with its 95% Clopper-Pearson interval and sample size."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, hits: int, count: int, level: float = 0.95) -> Rate:
        """`hits` of `count`; NaN with the interval [0, 1] when count is 0."""
        if count == 0:
            return cls(math.nan, 0.0, 1.0, 0)
        tail = (1.0 - level) / 2
        low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, count - hits + 1))
        high = 1.0 if hits == count else float(beta.ppf(1 - tail, hits + 1, count - hits))
        return cls(hits / count, low, high, count)


def auc(own_scores: Scores, foreign_scores: Scores) -> float:
    """Probability that a foreign sample scores above an own one (ties count half)."""
    if len(own_scores) == 0 or len(foreign_scores) == 0:
        return math.nan
    own = np.sort(own_scores)
    less = np.searchsorted(own, foreign_scores, side="left")
    equal = np.searchsorted(own, foreign_scores, side="right") - less
    return float((less + 0.5 * equal).mean() / len(own))
