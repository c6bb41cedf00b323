"""A detector view as another package would offer it: CONTRIBUTING's example, run by test_views."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flipad_ops.detection import Material, Stored, View


class Saturation(View):
    """How far an image's mean saturation is from own images', in units of their spread.

    Parameters
    ----------
    floor : float
        Added to the spread.
    """

    name = "saturation"
    mean: Tensor
    std: Tensor

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.floor = floor
        for buffer in ("mean", "std"):
            self.register_buffer(buffer, torch.zeros((), dtype=torch.float64))

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, height, width) in [0, 1] to (n,) float64."""
        return (saturation(pixels) - self.mean).abs() / (self.std + self.floor)

    @classmethod
    def fit(cls, material: Material) -> View | None:
        """To RGB images as made: another file format changes the saturation."""
        own = material.own_pixels
        if material.branch != "as_made" or own.dim() != 4 or own.shape[1] != 3:
            return None
        view, values = cls(floor=1e-3), saturation(own)
        view.mean.copy_(values.mean())
        view.std.copy_(values.std())
        return view.to(material.settings.device)

    def config(self) -> dict[str, Any]:
        """What the tensors do not tell."""
        return {"floor": self.floor}

    @classmethod
    def empty(cls, stored: Stored) -> View:
        """A view for `stored.state`."""
        return cls(stored.config["floor"])


def saturation(pixels: Tensor) -> Tensor:
    """Mean of (largest - least) / largest over an image's pixels, (n,) float64."""
    largest, least = pixels.double().amax(dim=1), pixels.double().amin(dim=1)
    return ((largest - least) / largest.clamp_min(1e-6)).mean(dim=(1, 2))
