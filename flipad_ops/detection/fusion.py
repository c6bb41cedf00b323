"""One score from several views: an image is as foreign as its most foreign view says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flipad_ops.detection.calibration import threshold_at_fnr
from flipad_ops.detection.deepsad import DeepSad
from flipad_ops.detection.spectral import SpectralView
from flipad_ops.detection.statistics import StatisticsHead

_TINY = 1e-12


class Detector(nn.Module):
    """DeepSAD on selected channels, alone or fused with other views.

    Alone the score is DeepSAD's squared distance, as published. Fused, each view's score is
    divided by its own threshold at the tolerable FNR and the largest one counts. The spectral view
    needs no inversion: where it alone exceeds `cutoff` it is the score, and the others are spared.
    A cutoff no smaller than the final threshold changes no decision.

    Parameters
    ----------
    deepsad : DeepSad
    head : StatisticsHead or None
    spectral : SpectralView or None
    """

    scales: Tensor
    cutoff: Tensor

    def __init__(
        self,
        deepsad: DeepSad,
        head: StatisticsHead | None = None,
        spectral: SpectralView | None = None,
    ) -> None:
        super().__init__()
        self.deepsad, self.head, self.spectral = deepsad, head, spectral
        self.count = 1 + (head is not None) + (spectral is not None)
        self.register_buffer("scales", torch.ones(self.count, dtype=torch.float64))
        self.register_buffer("cutoff", torch.tensor(torch.inf, dtype=torch.float64))

    @torch.no_grad()
    def screen(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """What pixels alone decide.

        Parameters
        ----------
        pixels : Tensor, (n, *sample_shape) in [0, 1]

        Returns
        -------
        score : Tensor, float64, (n,)
            Of the spectral view; zero without one.
        decided : Tensor, bool, (n,)
            Where it is the final score.
        """
        if self.spectral is None:
            score = torch.zeros(len(pixels), dtype=torch.float64, device=pixels.device)
        else:
            score = self.spectral(pixels) / self.scales[-1].to(pixels.device)
        return score, score > self.cutoff.to(score)

    @torch.no_grad()
    def views(self, features: Tensor, activations: Tensor, pixels: Tensor) -> Tensor:
        """Unscaled scores (n, count), float64.

        Parameters
        ----------
        features : Tensor, (n, *deepsad.shape)
        activations : Tensor, (n, *activation_shape)
            What `features` were made from.
        pixels : Tensor, (n, *sample_shape) in [0, 1]
            What `activations` were recovered from.
        """
        columns = [self.deepsad.score(features).double()]
        if self.head is not None:
            columns.append(self.head(activations))
        if self.spectral is not None:
            columns.append(self.spectral(pixels))
        return torch.stack(columns, dim=1)

    def combine(self, views: Tensor) -> Tensor:
        """(n, count) to anomaly scores (n,), float64."""
        if self.count == 1:
            return views[:, 0]
        return (views / self.scales.to(views)).amax(dim=1)

    def score(self, features: Tensor, activations: Tensor, pixels: Tensor) -> Tensor:
        """Anomaly scores (n,), float64; low means "ours"."""
        return self.combine(self.views(features, activations, pixels))

    def calibrate_scales(self, own_views: NDArray[np.float64], fnr: float) -> None:
        """Put all views on one scale: 1 is each one's threshold on held-out own samples."""
        if self.count > 1:
            scales = [max(threshold_at_fnr(column, fnr), _TINY) for column in own_views.T]
            self.scales.copy_(torch.tensor(scales, dtype=torch.float64))
