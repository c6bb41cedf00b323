"""What an attributor's decisions rest on, and what it says of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.joint_tail import JointTail
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.attribution.words_of_rates import ALTERED
from flipad_ops.detection import Null
from flipad_ops.detection.null import LEAST_ALONE
from flipad_ops.regeneration.remade_batch import Remade


@dataclass(frozen=True, eq=False)
class Attribution:
    """Scores of a batch, one entry per image.

    Parameters
    ----------
    score : (n,) float64
        Low means "ours": DeepSAD's squared distance to the centre, or with fusion the largest of
        the views' scores in units of their own thresholds.
    p : (n,) float64
        Conformal p-value of "not ours"; small means "ours".
    attributed : (n,) bool
        score <= threshold.
    converged : (n,) bool
        Whether the inversion reached its tolerance, or none was needed.
    inverted : (n,) bool
        False where the pixels alone settled the score.
    recompressed : (n,) bool
        Out of a lossy file, and not refused at once: scored by pixels alone, and p is that among
        foreign images recompressed.
    residual : Tensor, (n, *sample_shape)
        What the inversion could not explain, in target units; zero without inversion.
    testimony : tuple of (Testimony or None), of length n, or None
        What the second witness says; None where it is silent.
    stages : mapping of stage to (images, seconds), or None
    views : (n, views) float64 or None
        Of inverted images what each of the first witness's views says in units of its threshold;
        else NaN. None where none was inverted.
    """

    score: NDArray[np.float64]
    p: NDArray[np.float64]
    attributed: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    inverted: NDArray[np.bool_]
    recompressed: NDArray[np.bool_]
    residual: Tensor
    testimony: tuple[Testimony | None, ...] | None = None
    stages: Mapping[str, tuple[int, float]] | None = None
    views: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Screening:
    """What the pixels of a batch say before any inversion.

    Parameters
    ----------
    score : (n,) float64
        A lower bound of the score, and the score itself where no inversion is needed.
    needed : (n,) bool
        Whether only an inversion can tell.
    recompressed : (n,) bool
        See `Attribution`.
    remade : Remade or None
        What the second witness found, if it speaks.
    """

    score: NDArray[np.float64]
    needed: NDArray[np.bool_]
    recompressed: NDArray[np.bool_]
    remade: Remade | None = None


@dataclass(frozen=True, eq=False)
class Calibration:
    """What decisions rest on.

    Parameters
    ----------
    threshold : float
        A score at or below it is attributed.
    own_scores : (n,) float64
        Held-out own samples, the threshold's source.
    null_scores : mapping of stratum to (n,) float64
        Foreign samples held out from training, one entry per source.
    recompressed_null_scores : mapping of stratum to (n,) float64
        Of the same out of lossy files; empty where the attributor treats these like any other.
    remade_null : mapping of stratum to (n,) float64
        `Testimony.ratio` of the second witness for foreign samples, as they are and altered; empty
        without one.
    origins : mapping of source to (n,) int64
        Whose its calibration samples are, in their order; see `detection.null.Null`. A source that
        is missing has an origin for each.
    joint_tail : JointTail or None
        Of images as made, by both witnesses.
    """

    threshold: float
    own_scores: NDArray[np.float64]
    null_scores: Mapping[str, NDArray[np.float64]]
    recompressed_null_scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    remade_null: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    origins: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    joint_tail: JointTail | None = None

    @cached_property
    def null(self) -> Null:
        """Of images in general, for the first witness."""
        return self._null(self.null_scores)

    @cached_property
    def lossy_null(self) -> Null | None:
        """Of images out of lossy files, if these are decided apart."""
        recompressed = self.recompressed_null_scores
        return self._null(recompressed) if recompressed else None

    @cached_property
    def second_null(self) -> Null | None:
        """Of the second witness, if there is one."""
        return self._null(self.remade_null) if self.remade_null else None

    @property
    def floor(self) -> float:
        """The smallest p-value of the first witness alone."""
        return max(null.floor for null in (self.null, self.lossy_null) if null is not None)

    def p(
        self, scores: NDArray[np.float64], recompressed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Conformal p-values (n,), each kind of image among its own null (Mondrian)."""
        p = self.null.p(scores)
        if recompressed.any() and self.lossy_null is not None:
            p[recompressed] = self.lossy_null.p(scores[recompressed])
        return p

    def origins_of(self, stratum: str) -> int:
        """How many origins a stratum's calibration samples have, one of any kind of null."""
        source = stratum.removesuffix(ALTERED)
        count = next(
            len(null[stratum])
            for null in (self.null_scores, self.remade_null, self.recompressed_null_scores)
            if stratum in null
        )
        known = self.origins.get(source)
        return count if known is None else len(np.unique(known[:count]))

    def _null(self, scores: Mapping[str, NDArray[np.float64]]) -> Null:
        known = {}
        for stratum, values in scores.items():
            origins = self.origins.get(stratum.removesuffix(ALTERED))
            if origins is not None:
                known[stratum] = origins[: len(values)]
        # Calibrations of earlier versions, without origins, decide as they did.
        return Null(scores, known, LEAST_ALONE if self.origins else 1)
