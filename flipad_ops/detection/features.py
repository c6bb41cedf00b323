"""From recovered activations to detector inputs (METHOD: standardise, then select channels)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.detection.recovered import Recovered

#: Added to the per-entry standard deviation before dividing (research code).
STD_OFFSET = 0.05
#: Larger activation maps are max-pooled down to this side, as the paper does for LSGAN.
MAX_SIDE = 32


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """Standardisation by own statistics, then the most telling channels.

    Parameters
    ----------
    mean, std : Tensor, float32
        Per entry, shape of one pooled activation.
    channels : Tensor, int64, (k,)
        Selected channels (or features, for a flat activation), ascending.
    pool : int
        Max-pooling factor; 1 for none.
    """

    mean: Tensor
    std: Tensor
    channels: Tensor
    pool: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one detector input."""
        return (len(self.channels), *self.mean.shape[1:])

    def __call__(self, activations: Tensor) -> Tensor:
        """(batch, *activation_shape) to (batch, *shape), float32."""
        pooled = pool(activations, self.pool)
        index = self.channels.to(pooled.device)
        mean, std = self.mean.to(pooled.device)[index], self.std.to(pooled.device)[index]
        return (pooled.index_select(1, index) - mean) / (std + STD_OFFSET)

    def of(self, recovered: Recovered) -> Tensor:
        """Of many activations, (n, *shape)."""
        made = torch.empty(len(recovered), *self.shape)
        done = 0
        for activations, _ in recovered.chunks():
            made[done : done + len(activations)] = self(activations)
            done += len(activations)
        return made


def pool(activations: Tensor, factor: int) -> Tensor:
    """Max-pool (batch, C, H, W) by `factor`; anything else is returned as it is."""
    if factor == 1 or activations.dim() != 4:
        return activations
    return F.max_pool2d(activations, factor, ceil_mode=True)


def pool_factor(shape: tuple[int, ...]) -> int:
    """The factor that brings an activation of `shape` to at most MAX_SIDE on each side."""
    if len(shape) != 3:
        return 1
    return max(1, -(-max(shape[1:]) // MAX_SIDE))


def fit_features(own: Recovered, foreign: Recovered, keep: int) -> FeatureMap:
    """Statistics from own activations, channels by mean absolute difference to foreign ones.

    Parameters
    ----------
    own, foreign : Recovered
    keep : int
        Channels to keep at most.
    """
    factor = pool_factor(own.shape)
    mean, std = _moments(own, factor)
    difference = ((_moments(foreign, factor)[0] - mean) / (std + STD_OFFSET)).abs()
    per_channel = difference.flatten(1).mean(dim=1) if difference.dim() > 1 else difference
    keep = min(keep, per_channel.numel())
    channels = torch.topk(per_channel, keep).indices.sort().values
    return FeatureMap(mean, std, channels, factor)


def _moments(recovered: Recovered, factor: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of pooled activations, float32, summed up in float64."""
    total = square = torch.zeros((), dtype=torch.float64)
    for activations, _ in recovered.chunks():
        pooled = pool(activations, factor).double()
        total, square = total + pooled.sum(dim=0), square + pooled.square().sum(dim=0)
    mean = total / len(recovered)
    variance = (square / len(recovered) - mean.square()).clamp_min(0.0)
    return mean.float(), variance.sqrt().float()
