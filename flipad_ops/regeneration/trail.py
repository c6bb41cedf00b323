"""How far a batch of images has been followed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.regeneration.refinement import Guess
from flipad_ops.regeneration.witness_model import FILED


@dataclass(eq=False)
class Trail:
    """Each way of searching.

    Parameters
    ----------
    pixels : Tensor, float32, (n, channels, height, width)
    quality : Tensor, int64, (n,)
        Of the JPEG file that an image shows, if that is used; 0 otherwise.
    blurred : Tensor, float64, (n,)
        See `measures.blurred`.
    guesses : list of Guess
        Plain, placed.
    excess : Tensor, float64, (2, n)
        The judges' word, each way; of images that were dropped, by how far they were off.
    steps : Tensor, int64, (n,)
    beyond : Tensor, float64, (n,)
        `Judge.beyond` at the end of the plain search; infinite before.
    """

    pixels: Tensor
    quality: Tensor
    blurred: Tensor
    guesses: list[Guess]
    excess: Tensor
    steps: Tensor
    beyond: Tensor

    def may_go(self, way: int, rich: bool) -> Tensor:
        """Which images, (n,) bool, are searched this way."""
        if not rich:
            return torch.ones_like(self.quality, dtype=torch.bool)
        return (self.quality > 0) == (way == FILED)
