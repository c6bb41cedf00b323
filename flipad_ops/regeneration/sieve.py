"""Which images are worth a search at all, by a look that costs next to nothing.

Own images, altered in every way that is searched for, have a common look: the energy of each
frequency band, and what shows at 8x8 pixels. An image far from all of them is not made again.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.detection.bands import BLOCK, band_energies

#: Weight of a pixel's value beside the logarithm of a band's energy.
CONTENT = 10.0
#: Every so manieth own image sets the limit, the others the look; share of them beyond the limit.
HELD_OUT, FNR = 4, 0.003


def looks(pixels: Tensor) -> Tensor:
    """(n, channels, height, width) in [0, 1] to (n, 128 channels) float64."""
    small = F.adaptive_avg_pool2d(pixels, BLOCK).flatten(1).double()
    return torch.cat([band_energies(pixels), CONTENT * small], dim=1)


class Sieve(nn.Module):
    """Squared Mahalanobis distance to the looks of own images; Ledoit and Wolf's covariance.

    Parameters
    ----------
    sample_shape : (channels, height, width)
        No side under 8 pixels.
    """

    mean: Tensor
    precision: Tensor
    limit: Tensor

    def __init__(self, sample_shape: tuple[int, ...]) -> None:
        super().__init__()
        count = 2 * BLOCK * BLOCK * sample_shape[0]
        self.register_buffer("mean", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("precision", torch.zeros(count, count, dtype=torch.float64))
        self.register_buffer("limit", torch.tensor(math.inf, dtype=torch.float64))

    def forward(self, pixels: Tensor) -> Tensor:
        """How far beyond the limit, in shares of it, (n,) float64; at most 0 is kept."""
        parts = []
        for chunk in torch.split(pixels, 256):
            off = looks(chunk) - self.mean
            parts.append(((off @ self.precision) * off).sum(dim=1) / self.limit - 1)
        return torch.cat(parts)

    def fit(self, own: Tensor) -> None:
        """To own images (n, channels, height, width) as made and altered, in any order."""
        from sklearn.covariance import LedoitWolf

        seen = torch.cat([looks(chunk) for chunk in torch.split(own, 256)]).cpu().numpy()
        held = np.arange(len(seen)) % HELD_OUT == 0
        estimate = LedoitWolf().fit(seen[~held])
        self.mean.copy_(torch.from_numpy(estimate.location_))
        self.precision.copy_(torch.from_numpy(estimate.precision_))
        far = np.quantile(estimate.mahalanobis(seen[held]), 1 - FNR, method="higher")
        self.limit.fill_(float(far))


def can_sieve(shape: tuple[int, ...]) -> bool:
    """Whether images of `shape` have room for a look."""
    return len(shape) == 3 and min(shape[1:]) >= BLOCK
