"""What the stages of a fit have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.own_samples import OwnSamples
from flipad_ops.attribution.relatives import Relatives
from flipad_ops.generators import SplitGenerator


@dataclass(frozen=True, eq=False)
class Plan:
    """What a fit starts from.

    Parameters
    ----------
    generator : SplitGenerator
    settings : FitSettings
    device : str
    anchor : Tensor, float32, (*layer.input_shape)
    own : OwnSamples
    splits : mapping of source to ForeignSplit
    relatives : Relatives
        For the test alone.
    """

    generator: SplitGenerator
    settings: FitSettings
    device: str
    anchor: Tensor
    own: OwnSamples
    splits: Mapping[str, ForeignSplit]
    relatives: Relatives
