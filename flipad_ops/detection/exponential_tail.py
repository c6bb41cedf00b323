"""What p-values are below the smallest that foreign calibration images can show: a model.

An image far beyond all of a thousand foreign ones has an empirical p-value of about one in a
thousand, and one far beyond those too: among a hundred thousand images that says nothing. So what
lies beyond is continued as an exponential (a generalised Pareto tail of shape 0, the largest that
scores on a logarithmic scale have as a rule; a shape fitted freely would at times say 0). It is as
true as its shape: whoever uses it says so, beside the empirical p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Origins = NDArray[np.int64]
#: Origins beyond the start of a tail, at least.
LEAST = 20
#: Nothing smaller is said: so far no model is believed.
SMALLEST = 1e-9
#: Of the values at hand, the share beyond the start; resamples of origins, and their quantile.
BEYOND, RESAMPLED, UPPER = 0.5, 1000, 0.95


@dataclass(frozen=True)
class Tail:
    """P(X >= x) = share exp(-(x - start) / scale) for x >= start.

    Parameters
    ----------
    share : float
        Of all origins, those beyond the start, and one more.
    start : float
    scale : float
        Its upper 95% confidence bound, by a bootstrap of the origins.
    origins : int
        Beyond the start.
    """

    share: float
    start: float
    scale: float
    origins: int

    @classmethod
    def of(
        cls, values: Scores, origins: Origins, weights: Scores, count: int, seed: int
    ) -> Tail | None:
        """The tail of a sample; None where fewer than LEAST origins are beyond its start.

        Parameters
        ----------
        values, origins : (n,) float64, int64
            The largest of the sample, as far as they are known, and whose they are.
        weights : (n,) float64
            What each image is of its origin.
        count : int
            Origins of the whole sample.
        seed : int
        """
        if not len(values):
            return None
        start = float(np.quantile(values, 1 - BEYOND))
        beyond = values > start
        known, at = np.unique(origins[beyond], return_inverse=True)
        if len(known) < LEAST:
            return None
        weight = np.bincount(at, weights[beyond])
        excess = np.bincount(at, weights[beyond] * (values[beyond] - start))
        rows = np.random.default_rng(seed).integers(len(known), size=(RESAMPLED, len(known)))
        scales = excess[rows].sum(axis=1) / weight[rows].sum(axis=1)
        share = min(1.0, (float(weight.sum()) + 1) / (count + 1))
        return cls(share, start, float(np.quantile(scales, UPPER)), len(known))

    def p(self, values: Scores) -> Scores:
        """(m,) upper bounds of P(X >= value); 1 before the start."""
        beyond = np.maximum(values - self.start, 0.0)
        p: Scores = np.where(beyond > 0, self.share * np.exp(-beyond / self.scale), 1.0)
        return np.maximum(p, SMALLEST)
