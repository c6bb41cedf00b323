"""What a report shows of a finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import Likeness
from flipad_ops.scanning.decisions.records import Finding

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One pictured finding.

    Parameters
    ----------
    finding : Finding
    pixels : (height, width, channels) uint8
    residual : (height, width) float32, or None
        Mean absolute inversion residual over channels, in target units; None without attributor.
    remade : (height, width, channels) uint8, or None
        What the generator makes of the recorded latent, altered as the found image was.
    likeness : Likeness or None
        For the eye, where no second witness spoke: nothing rests on it.
    """

    finding: Finding
    pixels: Pixels
    residual: NDArray[np.float32] | None
    remade: Pixels | None = None
    likeness: Likeness | None = None
