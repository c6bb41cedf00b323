"""A second, linear view: what an activation and its image look like as a whole.

DeepSAD sees where a recovered activation deviates; with few samples its own scores keep a heavy
tail. Summaries of the whole are few and steady, and a regularised logistic regression on them
separates with a few hundred samples:

- per-channel statistics (level, spread, sparsity, how far it goes below zero);
- second moments between channels and between neighbouring places. Another seed of the same
  architecture agrees in levels, not in which channels fire together;
- the image's band energies (`flipad_ops.detection.bands`), so that pixels and activation are
  weighed together.

The regression is made in own samples' whitened coordinates: a direction in which own samples
hardly vary is where a near relative differs, and an ordinary penalty would shun it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flipad_ops.detection.bands import band_energies, has_spectrum
from flipad_ops.detection.recovered import Recovered
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Stored, View

Array = NDArray[np.float64]

#: Inverse regularisation strength of the logistic regression, plain and in whitened coordinates.
PLAIN_STRENGTH, STRENGTH = 0.05, 1e-3
#: Share of the mean variance added to every direction's before whitening.
SHRINKAGE = 0.05
#: Activation entries smaller than this count as off.
OFF = 1e-3
#: Channels at most whose second moments are taken: the count grows with their square.
MOMENT_CHANNELS = 32
#: Columns of a table at most whose products are taken.
MOMENT_COLUMNS = 32


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


def second_moments(activations: Tensor, mean: Tensor, channels: Tensor) -> Tensor:
    """Moments of the deviation from `mean` between channels, and of neighbouring places.

    Parameters
    ----------
    activations : Tensor, float32, (n, C, H, W)
    mean : Tensor, (C, H, W)
    channels : Tensor, int64, (k,)

    Returns
    -------
    Tensor, float64, (n, k (k + 1) / 2 + 3 k)
    """
    v = (activations - mean.to(activations))[:, channels.to(activations.device)].double()
    flat = v.flatten(2)
    gram = flat @ flat.transpose(1, 2) / flat.shape[2]
    rows, columns = torch.triu_indices(len(channels), len(channels))
    neighbours = [
        (v[..., 1:] * v[..., :-1]).mean(dim=(2, 3)),
        (v[..., 1:, :] * v[..., :-1, :]).mean(dim=(2, 3)),
        (v[..., 1:, 1:] * v[..., :-1, :-1]).mean(dim=(2, 3)),
    ]
    return torch.cat([gram[:, rows, columns], *neighbours], dim=1)


def row_moments(pixels: Tensor) -> Tensor:
    """A row's values, and their products two by two: how columns go together.

    Parameters
    ----------
    pixels : Tensor, float, (n, k) in [0, 1]

    Returns
    -------
    Tensor, float64, (n, k + k (k + 1) / 2)
    """
    x = pixels.double() * 2 - 1
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1])
    return torch.cat([x, x[:, rows] * x[:, columns]], dim=1)


class StatisticsHead(View):
    """Log-odds of "not ours" from statistics of activation and image.

    Parameters
    ----------
    shape : tuple of int
        Shape of one activation.
    moments : int
        Channels with second moments.
    count : int
        Number of statistics.
    """

    name = "head"
    needs_activations = True
    centre: Tensor
    channels: Tensor
    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, shape: tuple[int, ...], moments: int, count: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(shape))
        self.register_buffer("channels", torch.zeros(moments, dtype=torch.int64))
        for name, size in (("mean", count), ("std", count), ("weight", count), ("bias", 1)):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))

    @property
    def count(self) -> int:
        """Number of statistics."""
        return len(self.mean)

    def forward(self, activations: Tensor, pixels: Tensor) -> Tensor:
        """(n, *shape) and their images to positive anomaly scores (n,), float64: softplus of the
        log-odds."""
        inputs = self.inputs(activations, pixels)
        return nn.functional.softplus((inputs * self.weight).sum(dim=1) + self.bias)

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """Of images, and of rows where no other view takes its place."""
        data, settings = material.data, material.settings
        if len(data.own_rows):
            return None
        return fit_statistics(
            material.own,
            material.foreign,
            channels=material.features.channels if settings.second_moments else None,
            groups=data.sources,
            device=settings.device,
        )

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """See `View`; activations have the shape of the centre, that of a window perhaps."""
        state = stored.state
        return cls(tuple(state["centre"].shape), len(state["channels"]), len(state["mean"]))

    def inputs(self, activations: Tensor, pixels: Tensor) -> Tensor:
        """The statistics that the score is linear in, (n, count) float64."""
        return self.scaled(_statistics(activations, pixels, self.centre, self.channels))

    def scaled(self, statistics: Tensor) -> Tensor:
        """Raw statistics in units of their spread among own samples."""
        # asinh tames statistics that hardly vary among own samples and are far off elsewhere.
        return torch.asinh((statistics - self.mean) / self.std)


def _statistics(activations: Tensor, pixels: Tensor, centre: Tensor, channels: Tensor) -> Tensor:
    parts = [channel_statistics(activations, centre)]
    if not len(channels):
        return parts[0]
    if activations.dim() == 4:
        parts.append(second_moments(activations, centre, channels))
    if pixels.dim() == 2 and pixels.shape[1] <= MOMENT_COLUMNS:
        parts.append(row_moments(pixels))
    if has_spectrum(tuple(pixels.shape[1:])):
        parts.append(band_energies(pixels))
    return torch.cat(parts, dim=1)


def fit_statistics(
    own: Recovered,
    foreign: Recovered,
    *,
    channels: Tensor | None = None,
    groups: Tensor | None = None,
    device: str = "cpu",
) -> StatisticsHead:
    """Fit the head on training activations, own and foreign weighted alike.

    Parameters
    ----------
    own, foreign : Recovered
    channels : Tensor, int64, optional
        The most telling channels; second moments are taken of the first MOMENT_CHANNELS. Without
        them the head is a plain regression on channel statistics: right for few own samples.
    groups : Tensor, int64, (n foreign,), optional
        Sources of the foreign images; each source weighs as much as any other.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = torch.empty(0, dtype=torch.int64) if channels is None else channels[:MOMENT_CHANNELS]
    ours, theirs = (
        torch.cat([_statistics(z, x, own.mean, chosen) for z, x in part.chunks()])
        for part in (own, foreign)
    )
    head = StatisticsHead(own.shape, len(chosen), ours.shape[1])
    head.centre.copy_(own.mean)
    head.channels.copy_(chosen)
    head.mean.copy_(ours.mean(dim=0))
    labels = np.r_[np.zeros(len(own)), np.ones(len(foreign))]
    spread = ours.std(dim=0, unbiased=False)
    if not len(chosen):
        head.std.copy_(spread.clamp_min(1e-4))
        model = LogisticRegression(C=PLAIN_STRENGTH, max_iter=5000, class_weight="balanced")
        model.fit(head.scaled(torch.cat([ours, theirs])).numpy(), labels)
        head.weight.copy_(torch.from_numpy(model.coef_[0]))
        head.bias.copy_(torch.from_numpy(model.intercept_))
        return head.to(device).eval()
    head.std.copy_(spread.clamp_min(1e-5))
    weights = np.r_[np.full(len(own), 0.5 / len(own)), _source_weights(len(foreign), groups)]
    inputs = head.scaled(torch.cat([ours, theirs])).numpy()
    whitening, middle = _whitening(inputs[: len(own)])
    model = LogisticRegression(C=STRENGTH, max_iter=5000)
    model.fit((inputs - middle) @ whitening, labels, sample_weight=weights * len(labels))
    weight = whitening @ model.coef_[0]
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(model.intercept_ - middle @ weight))
    return head.to(device).eval()


def _whitening(own: Array) -> tuple[Array, Array]:
    """The map that gives own inputs unit variance in all directions, and their mean."""
    middle = own.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(own - middle, rowvar=False))
    shrunk = variances.clip(0.0) + SHRINKAGE * variances.mean()
    return directions / np.sqrt(shrunk), middle


def _source_weights(count: int, groups: Tensor | None) -> Array:
    """Weights that sum to 1/2, shared evenly between sources."""
    if groups is None:
        return np.full(count, 0.5 / count)
    _, index, sizes = np.unique(groups.numpy(), return_inverse=True, return_counts=True)
    return 0.5 / (len(sizes) * sizes[index].astype(np.float64))
