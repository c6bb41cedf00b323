"""p-values from foreign calibration images that know where they come from.

Patches of one photograph are alike, and so are their scores: a null of a thousand patches of three
photographs says little about a fourth. So p counts origins: each has the same weight, however many
of its images there are (hierarchical conformal prediction; Lee, Barber, Willett 2023; Dunn,
Wasserman, Ramdas 2023). Images of one known generator are draws of one distribution, and further
ones are like them: each is an origin of its own. Of generators that no fit saw they say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flipad_ops.common.errors import AttributorUncalibrated

Scores = NDArray[np.float64]
Origins = NDArray[np.int64]
#: A stratum of fewer origins trains, but has no p-value of its own.
LEAST_ALONE = 100


@dataclass(frozen=True, eq=False)
class Pool:
    """One null.

    Parameters
    ----------
    scores : (n,) float64
        Ascending.
    shares : (n,) float64
        Of all origins, those whose images lie up to here; the last is 1.
    count : int
        Origins.
    """

    scores: Scores
    shares: Scores
    count: int

    @classmethod
    def of(cls, scores: Scores, origins: Origins) -> Pool:
        """Of (n,) scores and their origins, n > 0."""
        order, count, weight = np.argsort(scores, kind="stable"), *origin_weights(origins)
        return cls(scores[order], np.cumsum(weight[order]), count)

    def p(self, scores: Scores) -> Scores:
        """(m,) conformal p-values: (1 + sum of the origins' shares at or below) / (origins + 1)."""
        below = np.searchsorted(self.scores, scores, side="right")
        share = np.concatenate([[0.0], self.shares])[below]
        return (1.0 + self.count * share) / (self.count + 1.0)

    @property
    def floor(self) -> float:
        """The smallest p-value there is."""
        return 1.0 / (self.count + 1.0)


class Null:
    """Scores of foreign calibration images by stratum, and the largest p-value over them.

    A stratum of fewer origins than LEAST_ALONE does not stand alone: such strata are joined with
    all others. So a further source of a dozen images changes no verdict.

    Parameters
    ----------
    scores : mapping of stratum to (n,) float64
    origins : mapping of stratum to (n,) int64
        Equal numbers for images of one origin, in whichever stratum; one that is missing has an
        origin of its own for each image.
    least : int
        Origins of a stratum that stands alone.

    Raises
    ------
    AttributorUncalibrated
        There is no stratum, or an empty one.
    """

    def __init__(
        self,
        scores: Mapping[str, Scores],
        origins: Mapping[str, Origins] | None = None,
        least: int = LEAST_ALONE,
    ) -> None:
        if not scores or any(len(values) == 0 for values in scores.values()):
            raise AttributorUncalibrated("Calibration needs foreign scores in every stratum.")
        known = origins or {}
        free = max((int(known[name].max()) + 1 for name in scores if name in known), default=0)
        strata: list[tuple[Scores, Origins]] = []
        for name, values in scores.items():
            at = known.get(name)
            if at is None:
                at = np.arange(free, free := free + len(values))
            strata.append((np.asarray(values, dtype=np.float64), at))
        single = [Pool.of(*stratum) for stratum in strata]
        self.pools = [pool for pool in single if pool.count >= least]
        if len(self.pools) < len(single):
            joined = Pool.of(*(np.concatenate(part) for part in zip(*strata, strict=True)))
            self.pools.append(joined)

    def p(self, scores: Scores) -> Scores:
        """Conformal p-values (m,) of "not ours"."""
        values = np.asarray(scores, dtype=np.float64)
        found: Scores = np.max([pool.p(values) for pool in self.pools], axis=0)
        return found

    @property
    def floor(self) -> float:
        """The smallest p-value there can be."""
        return max(pool.floor for pool in self.pools)


def origin_weights(origins: Origins) -> tuple[int, Scores]:
    """How many origins there are, and each image's share of all."""
    _, at, sizes = np.unique(origins, return_inverse=True, return_counts=True)
    return len(sizes), 1.0 / (len(sizes) * sizes[at])
