"""One score from two views: an image is as foreign as its more foreign view says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flipad_ops.detection.calibration import threshold_at_fnr
from flipad_ops.detection.deepsad import DeepSad
from flipad_ops.detection.statistics import StatisticsHead

_TINY = 1e-12


class Detector(nn.Module):
    """DeepSAD on selected channels, with or without the statistics head.

    Without a head the score is DeepSAD's squared distance, as published. With one, each view's
    score is divided by its own threshold at the tolerable FNR and the larger one counts.

    Parameters
    ----------
    deepsad : DeepSad
    head : StatisticsHead or None
    """

    scales: Tensor

    def __init__(self, deepsad: DeepSad, head: StatisticsHead | None = None) -> None:
        super().__init__()
        self.deepsad, self.head = deepsad, head
        self.register_buffer("scales", torch.ones(2, dtype=torch.float64))

    @torch.no_grad()
    def views(self, features: Tensor, activations: Tensor) -> Tensor:
        """Unscaled scores (n, 1 or 2), float64.

        Parameters
        ----------
        features : Tensor, (n, *deepsad.shape)
        activations : Tensor, (n, *activation_shape)
            What `features` were made from.
        """
        distance = self.deepsad.score(features).double()
        if self.head is None:
            return distance[:, None]
        return torch.stack([distance, self.head(activations)], dim=1)

    def combine(self, views: Tensor) -> Tensor:
        """(n, 1 or 2) to anomaly scores (n,), float64."""
        if self.head is None:
            return views[:, 0]
        return (views / self.scales.to(views)).amax(dim=1)

    def score(self, features: Tensor, activations: Tensor) -> Tensor:
        """Anomaly scores (n,), float64; low means "ours"."""
        return self.combine(self.views(features, activations))

    def calibrate_scales(self, own_views: NDArray[np.float64], fnr: float) -> None:
        """Put both views on one scale: 1 is each one's threshold on held-out own samples."""
        if self.head is not None:
            scales = [max(threshold_at_fnr(column, fnr), _TINY) for column in own_views.T]
            self.scales.copy_(torch.tensor(scales, dtype=torch.float64))
