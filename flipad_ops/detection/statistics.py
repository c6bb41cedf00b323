"""A second, linear view of an activation: what each channel looks like as a whole.

DeepSAD sees where a recovered activation deviates; with few samples its own scores keep a heavy
tail. Per-channel statistics (level, spread, sparsity, how far it goes below zero) are few and
steady, and a regularised logistic regression on them separates with a few hundred samples.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

#: Inverse regularisation strength of the logistic regression.
STRENGTH = 0.05
#: Activation entries smaller than this count as off.
OFF = 1e-3


def channel_statistics(activations: Tensor, mean: Tensor) -> Tensor:
    """Per-channel statistics of activations.

    Parameters
    ----------
    activations : Tensor, float32, (n, *activation_shape)
    mean : Tensor, float32, activation_shape
        Mean own activation; deviations are taken from it.

    Returns
    -------
    Tensor, float64, (n, 7 * channels), or (n, 3 * features) for flat activations
    """
    z = activations.double()
    deviation = z - mean.to(z)
    below = z.clamp_max(0.0)
    if z.dim() != 4:
        return torch.cat([z.flatten(1), deviation.abs().flatten(1), below.flatten(1)], dim=1)
    area = (2, 3)
    parts = [
        z.mean(area),
        z.std(area, unbiased=False),
        deviation.abs().mean(area),
        deviation.abs().amax(area),
        below.mean(area),
        below.std(area, unbiased=False),
        (z.abs() < OFF).double().mean(area),
    ]
    return torch.cat(parts, dim=1)


class StatisticsHead(nn.Module):
    """Log-odds of "not ours" from channel statistics.

    Parameters
    ----------
    shape : tuple of int
        Shape of one activation.
    count : int
        Number of statistics.
    """

    centre: Tensor
    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(shape))
        for name, size in (("mean", count), ("std", count), ("weight", count), ("bias", 1)):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))

    @property
    def count(self) -> int:
        """Number of statistics."""
        return len(self.mean)

    def forward(self, activations: Tensor) -> Tensor:
        """(n, *shape) to positive anomaly scores (n,), float64: softplus of the log-odds."""
        inputs = self._inputs(activations)
        return nn.functional.softplus((inputs * self.weight).sum(dim=1) + self.bias)

    def _inputs(self, activations: Tensor) -> Tensor:
        statistics = channel_statistics(activations, self.centre)
        # asinh tames statistics that hardly vary among own samples and are far off elsewhere.
        return torch.asinh((statistics - self.mean) / self.std)


def fit_statistics(own: Tensor, foreign: Tensor, device: str = "cpu") -> StatisticsHead:
    """Fit the head on training activations, own and foreign weighted alike.

    Parameters
    ----------
    own, foreign : Tensor, float32, (n, *activation_shape)
    """
    centre = own.mean(dim=0)
    statistics = torch.cat([channel_statistics(chunk, centre) for chunk in torch.split(own, 64)])
    head = StatisticsHead(tuple(own.shape[1:]), statistics.shape[1])
    head.centre.copy_(centre)
    head.mean.copy_(statistics.mean(dim=0))
    spread = statistics.std(dim=0, unbiased=False)
    head.std.copy_(spread.clamp_min(1e-4))
    inputs = [head._inputs(chunk) for part in (own, foreign) for chunk in torch.split(part, 64)]
    labels = np.r_[np.zeros(len(own)), np.ones(len(foreign))]
    model = LogisticRegression(C=STRENGTH, max_iter=5000, class_weight="balanced")
    model.fit(torch.cat(inputs).numpy(), labels)
    head.weight.copy_(torch.from_numpy(model.coef_[0]))
    head.bias.copy_(torch.from_numpy(model.intercept_))
    return head.to(device).eval()
