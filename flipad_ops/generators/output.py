"""The output side of a generator: the activation sigma, its inverse, and pixels.

Pixels are float32 tensors in [0, 1]; *outputs* are what sigma returns (for tanh: [-1, 1]);
*targets* are sigma^-1 of outputs, the space in which the final layer is inverted
(FLIPAD, section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError

ActivationName = Literal["tanh", "sigmoid", "identity"]

#: The research code clips outputs this far inside (-1, 1) before atanh.
PAPER_CLIP = 1e-4


@dataclass(frozen=True)
class OutputMap:
    """sigma and the affine map between its range and pixels.

    Parameters
    ----------
    activation : {"tanh", "sigmoid", "identity"}
        The invertible output activation.
    low, high : float
        Outputs that become black (0) and white (1). tanh uses (-1, 1), sigmoid (0, 1);
        an identity generator states its own and is clamped to it.
    """

    activation: ActivationName
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.activation not in get_args(ActivationName):
            raise UsageError(f"Unknown output activation {self.activation!r}.")
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise UsageError(f"Output range [{self.low}, {self.high}] is empty or infinite.")

    def to_pixels(self, output: Tensor) -> Tensor:
        """Outputs to pixels in [0, 1]; any shape, clamped."""
        return ((output - self.low) / (self.high - self.low)).clamp(0.0, 1.0)

    def to_output(self, pixels: Tensor) -> Tensor:
        """Pixels in [0, 1] to outputs, without clamping; any shape."""
        return self.low + (self.high - self.low) * pixels

    def activate(self, target: Tensor) -> Tensor:
        """sigma, elementwise."""
        if self.activation == "tanh":
            return torch.tanh(target)
        if self.activation == "sigmoid":
            return torch.sigmoid(target)
        return target

    def inverse(self, output: Tensor) -> Tensor:
        """sigma^-1, elementwise; infinite at and beyond the ends of sigma's range."""
        if self.activation == "tanh":
            return torch.atanh(output.clamp(-1.0, 1.0))
        if self.activation == "sigmoid":
            return torch.logit(output.clamp(0.0, 1.0))
        return output

    def point_target(self, pixels: Tensor, clip: float = PAPER_CLIP) -> Tensor:
        """The paper's target sigma^-1(clip(x)); any shape, finite."""
        output = self.to_output(pixels)
        if self.activation == "tanh":
            output = output.clamp(-1.0 + clip, 1.0 - clip)
        elif self.activation == "sigmoid":
            output = output.clamp(clip / 2, 1.0 - clip / 2)
        return self.inverse(output)

    def interval_target(
        self, pixels: Tensor, step: float | Tensor = 1 / 255
    ) -> tuple[Tensor, Tensor]:
        """Bounds of sigma^-1 over the quantisation cell of each pixel.

        Parameters
        ----------
        pixels : Tensor
            Any shape, in [0, 1], on the grid of multiples of `step`.
        step : float, or Tensor that broadcasts
            One grey level in pixel units (1/255 for 8 bit). Zero gives a point.

        Returns
        -------
        lower, upper : Tensor
            Same shape; -inf at black and +inf at white, where clipping loses the value.
            A pixel that sigma cannot reach gets the nearest finite target.
        """
        half = step / 2
        below, above = (pixels - half).clamp(0.0, 1.0), (pixels + half).clamp(0.0, 1.0)
        lower = torch.minimum(self.inverse(self.to_output(below)), self.point_target(above))
        upper = torch.maximum(self.inverse(self.to_output(above)), self.point_target(below))
        infinity = torch.full_like(lower, torch.inf)
        lower = torch.where(pixels - half <= 0.0, -infinity, lower)
        upper = torch.where(pixels + half >= 1.0, infinity, upper)
        return lower, upper


def default_output_map(activation: ActivationName) -> OutputMap:
    """The customary range: (0, 1) for sigmoid, (-1, 1) for tanh and identity."""
    low = 0.0 if activation == "sigmoid" else -1.0
    return OutputMap(activation, low, 1.0)


def quantise(pixels: Tensor, levels: int = 255) -> Tensor:
    """Round pixels in [0, 1] to the grid an image file stores; any shape."""
    return torch.round(pixels.clamp(0.0, 1.0) * levels) / levels
