"""A view of the pixels themselves: how much energy an image has at each frequency.

Upsampling leaves every generator its own spectrum (Frank et al., ICML 2020), and an image far too
smooth or too busy for the generator shows it there, whatever its recovered activation looks like.
The view is fitted on own samples alone, so it does not depend on which negatives were at hand, and
it needs no inversion.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.detection.bands import band_energies, has_spectrum
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Inputs, Stored, View


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
        return self._distance(band_energies(pixels))

    def score(self, inputs: Inputs) -> Tensor:
        """See `View`: branches share the energies."""
        return self._distance(inputs.bands)

    def _distance(self, bands: Tensor) -> Tensor:
        deviation = bands - self.mean
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
    from sklearn.covariance import LedoitWolf

    energies = torch.cat([band_energies(chunk) for chunk in torch.split(own, 64)])
    estimate = LedoitWolf().fit(energies.numpy())
    view = SpectralView(energies.shape[1])
    view.mean.copy_(torch.from_numpy(estimate.location_))
    view.precision.copy_(torch.from_numpy(estimate.precision_))
    return view.to(device).eval()
