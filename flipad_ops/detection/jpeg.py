"""The DCT and the colours of JPEG files."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Rows: Y, Cb, Cr of R, G, B (JFIF).
YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)


def dct_matrix() -> Tensor:
    """The orthonormal 8-point DCT-II, (8, 8) float64."""
    k = torch.arange(8, dtype=torch.float64)
    matrix = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) / 2
    matrix[0] /= math.sqrt(2)
    return matrix
