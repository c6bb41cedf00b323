"""What the views of a detector are fitted to, branch by branch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from flipad_ops.detection.deepsad_settings import DeepSadSettings
from flipad_ops.detection.features import FeatureMap
from flipad_ops.detection.recovered import Recovered

#: What a branch takes for own: images as the generator makes them, images that were altered on
#: their way, or images out of lossy files.
Kind = Literal["as_made", "altered", "lossy"]
Epochs = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training images with their activations, and others of which pixels are enough.

    Parameters
    ----------
    own, foreign : Recovered
    own_altered, foreign_altered : Recovered
        Perturbed copies; where there are none, the detector has no branch for altered images.
    sources : Tensor, int64, (len(foreign),)
        Which foreign images come from one source.
    unrelated : Tensor, bool, (len(foreign),)
        Which foreign images come from no relative of the generator. Perturbed, a relative's
        cannot be told from own ones, so the branch for altered images does without them.
    own_as_found : Tensor, (n, *sample_shape) in [0, 1]
        Own images as the first branch may find them, for its views of pixels.
    own_lossy : Tensor, (n, *sample_shape) in [0, 1]
        Own images out of lossy files.
    own_augmented, foreign_augmented : Tensor, (n, *sample_shape) in [0, 1]
        Copies altered in every way; where there are none, the detector has no branch for lossy
        files.
    own_rows : Tensor, (n, *sample_shape) in [0, 1]
        Further own samples for the view of a table's rows, which takes the linear head's place,
        the poorest view of few columns; empty for images.
    """

    own: Recovered
    foreign: Recovered
    own_altered: Recovered
    foreign_altered: Recovered
    sources: Tensor
    unrelated: Tensor
    own_as_found: Tensor
    own_lossy: Tensor
    own_augmented: Tensor
    foreign_augmented: Tensor
    own_rows: Tensor


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
    branch : {"as_made", "altered", "lossy"}
    own, foreign : Recovered
        What the branch is to accept and to refuse; without activations of lossy files.
    own_pixels : Tensor, float32, (n, *sample_shape) in [0, 1]
        What views of pixels alone are to accept.
    data : TrainingData
        What all branches are made from.
    features : FeatureMap
    settings : DetectorSettings
    report : callable(epoch, epochs)
    shared : dict of name to Module
        Views that branches have in common.
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
    shared: dict[str, nn.Module]
    fitted: dict[str, nn.Module] = field(default_factory=dict)

    @property
    def foreign_pixels(self) -> Tensor:
        """What views of pixels alone are to refuse, float32, (n, *sample_shape) in [0, 1]."""
        if self.branch == "lossy":
            return self.data.foreign_augmented
        return (self.data.foreign_altered if self.branch == "altered" else self.foreign).pixels
