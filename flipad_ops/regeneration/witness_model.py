"""All that the second witness learned in a fit: an encoder, and what is near enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.regeneration.guessing import Encoder
from flipad_ops.regeneration.judge import Judge

#: Ways of searching: the image as it is, or with zoom, shift and filter.
PLAIN, PLACED = 0, 1


class WitnessModel(nn.Module):
    """Tensors alone, as the attributor's other parts.

    Parameters
    ----------
    encoder : Encoder or None
        None where the model brings its own.
    own : int
        Number of own calibration images.

    Attributes
    ----------
    plain, placed : Judge
    latents : Tensor, float64, (3,)
        Least and largest entry of a latent, and their standard deviation.
    own : Tensor, float64, (own,)
        What the judges say of own calibration images that they were not fitted to.
    """

    latents: Tensor
    own: Tensor

    def __init__(self, encoder: Encoder | None, own: int = 0) -> None:
        super().__init__()
        self.encoder = encoder
        self.plain, self.placed = Judge(), Judge()
        self.register_buffer("latents", torch.tensor([-5.0, 5.0, 1.0], dtype=torch.float64))
        self.register_buffer("own", torch.zeros(own, dtype=torch.float64))

    def judge(self, way: int) -> Judge:
        """Of PLAIN or PLACED."""
        return self.placed if way == PLACED else self.plain

    def leeway(self, way: int) -> Tensor:
        """What a doubtful image's excess may be, float64, ()."""
        return self.judge(way).accept - self.judge(way).doubtful

    def config(self) -> dict[str, Any]:
        """JSON-able, what `empty` needs."""
        shape = None if self.encoder is None else list(self.encoder.latent_shape)
        return {"latent_shape": shape, "own": len(self.own)}

    @classmethod
    def empty(cls, config: Mapping[str, Any], sample_shape: tuple[int, ...]) -> WitnessModel:
        """One into which a stored `state_dict` can be loaded."""
        shape = config["latent_shape"]
        encoder = None if shape is None else Encoder(sample_shape, tuple(shape))
        return cls(encoder, int(config["own"])).eval().requires_grad_(False)
