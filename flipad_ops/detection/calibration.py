"""Threshold, p-values and intervals: what turns a distance into a decision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

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
    return float(betaincinv(above + 1, count - above, confidence))


@dataclass(frozen=True)
class Rate:
    """A proportion with its 95% interval.

    Parameters
    ----------
    value : float
        Share of the images; NaN without any.
    low, high : float
        For a further origin's images.
    count, origins : int
        Images, and how many origins they have.
    """

    value: float
    low: float
    high: float
    count: int
    origins: int

    @classmethod
    def of(cls, hits: int, count: int, level: float = 0.95) -> Rate:
        """`hits` of `count` images of one origin each, by Clopper and Pearson; the interval is
        [0, 1] when count is 0."""
        return cls.among(np.arange(count) < hits, np.arange(count), level)

    @classmethod
    def among(cls, hit: NDArray[np.bool_], origins: NDArray[np.int64], level: float = 0.95) -> Rate:
        """Of (n,) images, those hit, and whose they are.

        The interval is Clopper and Pearson's for as many trials as there are origins, at the mean
        of their shares: images of one origin may all be alike, and no estimate of how far they are
        is worth anything where origins are few.
        """
        if not len(hit):
            return cls(math.nan, 0.0, 1.0, 0, 0)
        _, at = np.unique(origins, return_inverse=True)
        trials = int(at.max()) + 1
        success = float((np.bincount(at, hit) / np.bincount(at)).sum())
        tail = (1.0 - level) / 2
        low = 0.0 if success == 0 else float(betaincinv(success, trials - success + 1, tail))
        high = 1.0
        if success < trials:
            high = float(betaincinv(success + 1, trials - success, 1 - tail))
        return cls(float(hit.mean()), low, high, len(hit), trials)


def auc(own_scores: Scores, foreign_scores: Scores) -> float:
    """Probability that a foreign sample scores above an own one (ties count half)."""
    if len(own_scores) == 0 or len(foreign_scores) == 0:
        return math.nan
    own = np.sort(own_scores)
    less = np.searchsorted(own, foreign_scores, side="left")
    equal = np.searchsorted(own, foreign_scores, side="right") - less
    return float((less + 0.5 * equal).mean() / len(own))
