"""What the views of a detector are fitted to, branch by branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from flipad_ops.detection.deepsad_settings import DeepSadSettings
from flipad_ops.detection.features import FeatureMap
from flipad_ops.detection.recovered import Activations, Recovered

#: What a branch takes for own: images as the generator makes them, or images out of lossy files.
Kind = Literal["as_made", "lossy"]
Epochs = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training images, all float32 (n, *sample_shape) in [0, 1], and activations of some.

    Parameters
    ----------
    inverted : Tensor
        Own images, behind them foreign ones.
    counts : tuple of int
        How many there are of each.
    given : int
        So many foreign images, the first, were given; the fit made the others itself.
    sources : Tensor, int64, (n foreign,)
        Which foreign images come from one source.
    own_as_found, own_lossy : Tensor
        Own images as the first branch may find them, for its views of pixels, and out of lossy
        files.
    own_augmented, foreign_augmented : Tensor
        Copies altered in every way, for the view of pixels; where there are none, the detector
        has no branch for lossy files.
    own_rows : Tensor
        Further own samples for the view of a table's rows, which takes the linear head's place,
        the poorest view of few columns; (0, ...) for images.
    activations : Activations, optional
        What was recovered of `inverted`, once it was.
    """

    inverted: Tensor
    counts: tuple[int, int]
    given: int
    sources: Tensor
    own_as_found: Tensor
    own_lossy: Tensor
    own_augmented: Tensor
    foreign_augmented: Tensor
    own_rows: Tensor
    activations: Activations | None = None

    @cached_property
    def _parts(self) -> list[Recovered]:
        assert self.activations is not None
        rows = torch.split(torch.arange(len(self.inverted)), list(self.counts))
        return [Recovered(self.inverted, self.activations, each) for each in rows]

    @property
    def own(self) -> Recovered:
        """Own images as made."""
        return self._parts[0]

    @property
    def foreign(self) -> Recovered:
        """Foreign images as they were given or made."""
        return self._parts[1]


@dataclass(frozen=True)
class DetectorSettings:
    """How a detector is fitted.

    Parameters
    ----------
    channels : int
        Channels that DeepSAD and second moments are given.
    fusion : bool
        False for DeepSAD alone, as published.
    second_moments : bool
        Whether the linear head has them and is whitened.
    deepsad : DeepSadSettings
    seed : int
    device : str
    extra_views : tuple of str
        Views that installed packages offer; see `flipad_ops.detection.views`.
    """

    channels: int
    fusion: bool
    second_moments: bool
    deepsad: DeepSadSettings
    seed: int
    device: str = "cpu"
    extra_views: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Material:
    """What the views of one branch are fitted to.

    Parameters
    ----------
    branch : {"as_made", "lossy"}
    own, foreign : Recovered
        What the branch is to accept and to refuse; without activations of lossy files.
    own_pixels : Tensor, float32, (n, *sample_shape) in [0, 1]
        What views of pixels alone are to accept.
    data : TrainingData
        What both branches are made from.
    features : FeatureMap
    settings : DetectorSettings
    report : callable(epoch, epochs)
    fitted : dict of name to Module
        The branch's views so far.
    """

    branch: Kind
    own: Recovered
    foreign: Recovered
    own_pixels: Tensor
    data: TrainingData
    features: FeatureMap
    settings: DetectorSettings
    report: Epochs
    fitted: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def foreign_pixels(self) -> Tensor:
        """What views of pixels alone are to refuse, float32, (n, *sample_shape) in [0, 1]."""
        return self.data.foreign_augmented if self.branch == "lossy" else self.foreign.pixels
