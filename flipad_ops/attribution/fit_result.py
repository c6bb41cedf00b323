"""What a fit returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor


@dataclass(eq=False)
class FitResult:
    """An attributor and what a reviewer of the fit wants to see.

    Parameters
    ----------
    attributor : Attributor
    losses : list of float
        Mean training loss per epoch.
    test_scores : mapping of "own" and each stratum to (n,) float64
        Held-out scores behind `attributor.evaluation`.
    examples : mapping of "own" and each stratum to Tensor; and of "own, missed" and
        "STRATUM, attributed", where the first witness is wrong about any
        A few test images each, (k, *sample_shape).
    held_out_foreign : mapping of stratum to Tensor, (n, *sample_shape)
        All foreign test images.
    mean_activations : mapping of "own", "foreign" to Tensor, (*layer.input_shape)
    timings : mapping of stage to seconds
    unconverged : float
        Share of inversions that did not reach the tolerance.
    grouped : bool
        False when images of one origin may sit in training and test.
    """

    attributor: Attributor
    losses: list[float]
    test_scores: dict[str, NDArray[np.float64]]
    examples: dict[str, Tensor]
    held_out_foreign: dict[str, Tensor]
    mean_activations: dict[str, Tensor]
    timings: dict[str, float]
    unconverged: float
    grouped: bool
