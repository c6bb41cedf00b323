"""What a detector asks of a view, and no more.

To add one, write a subclass and name it in `flipad_ops.detection.views`, or offer it from a package
of your own:

    [project.entry-points."flipad_ops.views"]
    saturation = "ourpackage.saturation:Saturation"

An offered view is used by fits whose settings name it (`extra_views`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor, nn

from flipad_ops.detection.bands import band_energies
from flipad_ops.detection.training_material import Material


@dataclass(frozen=True, eq=False)
class Inputs:
    """A batch as views see it.

    Parameters
    ----------
    features : Tensor, float32, (n, *feature_shape)
        Standardised, pooled and selected; see `FeatureMap`.
    activations : Tensor, float32, (n, *activation_shape)
        Where no view needs them, anything may stand in this place and that of the features.
    pixels : Tensor, float32, (n, *sample_shape) in [0, 1]
    """

    features: Tensor
    activations: Tensor
    pixels: Tensor

    @cached_property
    def bands(self) -> Tensor:
        """`band_energies` of the pixels, made once for all who ask."""
        return band_energies(self.pixels)


@dataclass(frozen=True, eq=False)
class Stored:
    """What is known of a stored view before its tensors are filled in.

    Parameters
    ----------
    state : mapping of name to Tensor
        The stored `state_dict` of the view.
    feature_shape, sample_shape : tuple of int
    dim : int
        Size of DeepSAD's embeddings.
    config : mapping
        What `View.config` returned; empty for the views of `flipad_ops.detection`.
    """

    state: Mapping[str, Tensor]
    feature_shape: tuple[int, ...]
    sample_shape: tuple[int, ...]
    dim: int
    config: Mapping[str, Any] = field(default_factory=dict)


class View(nn.Module, ABC):
    """One way of looking at an image; its score says how foreign the image is to it.

    All that a fitted view knows is in its `state_dict`: attributors hold tensors, never code.

    Attributes
    ----------
    name : str
        A Python identifier, that of its tensors in stored attributors.
    needs_activations : bool
        Whether it looks at features or activations; such views have no say on lossy files.
    screens : bool
        Whether its score is cheap, by pixels alone, and may settle an image without inversion.
    """

    name: ClassVar[str]
    needs_activations: ClassVar[bool] = False
    screens: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fit(cls, material: Material) -> View | None:
        """Fitted to one branch's training images, on its device; None to have no say in it."""

    @classmethod
    @abstractmethod
    def empty(cls, stored: Stored) -> View:
        """A view into which `stored.state` can be loaded."""

    def score(self, inputs: Inputs) -> Tensor:
        """Anomaly scores (n,), float64, not negative; of each image alone, whatever its batch.

        Unless overridden `forward(pixels)`, or `forward(activations, pixels)` where it
        `needs_activations`.
        """
        seen = (inputs.activations,) if self.needs_activations else ()
        return self(*seen, inputs.pixels)  # type: ignore[no-any-return]

    def config(self) -> dict[str, Any]:
        """JSON-able, what `empty` has to know beyond the shapes of the tensors."""
        return {}
