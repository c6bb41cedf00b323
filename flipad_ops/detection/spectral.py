"""A view of the pixels themselves: how much energy an image has at each frequency.

Upsampling leaves every generator its own spectrum (Frank et al., ICML 2020), and an image far too
smooth or too busy for the generator shows it there, whatever its recovered activation looks like.
The view is fitted on own samples alone, so it does not depend on which negatives were at hand, and
it needs no inversion.
"""

from __future__ import annotations

import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor

from flipad_ops.detection.jpeg import dct_matrix
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

#: Side of the transformed blocks, in pixels.
BLOCK = 8
#: Energy added before the logarithm, in squared grey levels of 8 bits: below it is rounding.
FLOOR = 0.05


def has_spectrum(shape: tuple[int, ...]) -> bool:
    """Whether samples of `shape` are images with room for a block."""
    return len(shape) == 3 and min(shape[1:]) >= BLOCK


def band_energies(pixels: Tensor) -> Tensor:
    """Log mean energy of each block-DCT band.

    Parameters
    ----------
    pixels : Tensor, float, (n, channels, height, width) in [0, 1]
        Rows and columns beyond a multiple of 8 are left out. Three channels are taken apart into
        their mean and the first's and last's difference to it.

    Returns
    -------
    Tensor, float64, (n, channels * 64)
    """
    x = pixels.double() * 255
    if x.shape[1] == 3:
        mean = x.mean(dim=1, keepdim=True)
        x = torch.cat([mean, x[:, :1] - mean, x[:, 2:] - mean], dim=1)
    blocks = cut_blocks(x)
    basis = dct_matrix().to(x.device)
    bands = basis @ blocks @ basis.T
    return (bands.square().mean(dim=(2, 3)) + FLOOR).log().flatten(1)


def cut_blocks(x: Tensor) -> Tensor:
    """(n, channels, height, width) to whole blocks, (n, channels, rows, columns, BLOCK, BLOCK)."""
    n, channels, height, width = x.shape
    rows, columns = height // BLOCK, width // BLOCK
    x = x[..., : rows * BLOCK, : columns * BLOCK]
    return x.reshape(n, channels, rows, BLOCK, columns, BLOCK).transpose(3, 4)


class SpectralView(View):
    """Squared Mahalanobis distance of an image's band energies to those of own samples.

    Parameters
    ----------
    count : int
        Number of band energies.
    """

    name = "spectral"
    screens = True
    mean: Tensor
    precision: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count, dtype=torch.float64))
        self.register_buffer("precision", torch.zeros(count, count, dtype=torch.float64))

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, channels, height, width) in [0, 1] to distances (n,), float64."""
        deviation = band_energies(pixels) - self.mean
        return ((deviation @ self.precision) * deviation).sum(dim=1)

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """Of images with room for a block, in every branch."""
        if not has_spectrum(tuple(material.own_pixels.shape[1:])):
            return None
        return fit_spectral(material.own_pixels, material.settings.device)

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`."""
        return cls(len(stored.state["mean"]))


def fit_spectral(own: Tensor, device: str = "cpu") -> SpectralView:
    """Fit to own training images, (n, channels, height, width) in [0, 1].

    The covariance is shrunk (Ledoit and Wolf, 2004), so fewer samples than bands will do.
    """
    energies = torch.cat([band_energies(chunk) for chunk in torch.split(own, 64)])
    estimate = LedoitWolf().fit(energies.numpy())
    view = SpectralView(energies.shape[1])
    view.mean.copy_(torch.from_numpy(estimate.location_))
    view.precision.copy_(torch.from_numpy(estimate.precision_))
    return view.to(device).eval()
