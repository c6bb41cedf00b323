"""What an attributor's decisions rest on, and what it says of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.detection import conformal_p, p_floor
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
        Taken for an own image out of a lossy file: scored by pixels alone, and p is that among
        foreign images recompressed.
    residual : Tensor, (n, *sample_shape)
        What the inversion could not explain, in target units; zero without inversion.
    testimony : tuple of (Testimony or None), of length n, or None
        What the second witness says; None where it is silent.
    stages : mapping of stage to (images, seconds), or None
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
    """

    threshold: float
    own_scores: NDArray[np.float64]
    null_scores: Mapping[str, NDArray[np.float64]]
    recompressed_null_scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    remade_null: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def floor(self) -> float:
        """The smallest p-value of the first witness alone."""
        return max(p_floor(self.null_scores), p_floor(self.recompressed_null_scores, 0.0))

    def p(
        self, scores: NDArray[np.float64], recompressed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Conformal p-values (n,), each kind of image among its own null (Mondrian)."""
        p = conformal_p(scores, self.null_scores)
        if recompressed.any():
            p[recompressed] = conformal_p(scores[recompressed], self.recompressed_null_scores)
        return p
