"""All that the second witness learned in a fit: an encoder, and what is near enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.regeneration.guessing import Encoder
from flipad_ops.regeneration.judge import Judge
from flipad_ops.regeneration.sieve import Sieve, can_sieve

#: Ways of searching: the image as it is, or with zoom, shift and filter.
PLAIN, PLACED = 0, 1
#: Instead of PLACED where latents are rich, see `Regenerator`: the image as its JPEG file tells it.
FILED = 1
#: Looks on the way: at the guess, and after the first steps.
STAGES = 2


class WitnessModel(nn.Module):
    """Tensors alone, as the attributor's other parts.

    Parameters
    ----------
    encoder : Encoder or None
        None where the model brings its own.
    own : int
        Number of own calibration images.
    sample_shape : (channels, height, width)
    supports : sequence of int
        Support vectors of both judges and of those on the way.

    Attributes
    ----------
    plain, other : Judge
    early : list of Judge
        Whom an image has to pass on the way: see `passes`.
    sieve : Sieve or None
        Which images are searched at all; None where they are too small for a look.
    latents : Tensor, float64, (3,)
        Least and largest entry of a latent, and their standard deviation.
    own : Tensor, float64, (own,)
        What the judges say of own calibration images that they were not fitted to.
    """

    latents: Tensor
    own: Tensor

    def __init__(
        self,
        encoder: Encoder | None,
        own: int = 0,
        sample_shape: tuple[int, ...] = (1, 0, 0),
        supports: Sequence[int] = (0,) * (2 + 2 * STAGES),
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.plain, self.other, *early = map(Judge, supports)
        self.early = nn.ModuleList(early)
        self.sieve = Sieve(sample_shape) if can_sieve(sample_shape) else None
        self.register_buffer("latents", torch.tensor([-5.0, 5.0, 1.0], dtype=torch.float64))
        self.register_buffer("own", torch.zeros(own, dtype=torch.float64))

    def judge(self, way: int) -> Judge:
        """Of PLAIN, or of PLACED or FILED."""
        return self.plain if way == PLAIN else self.other

    def passes(self, way: int, stage: int) -> Judge:
        """Of a way of searching, as guessed (0) or after the first steps (1)."""
        judge = self.early[STAGES * way + stage]
        assert isinstance(judge, Judge)
        return judge

    def leeway(self, way: int) -> Tensor:
        """What a doubtful image's excess may be, float64, ()."""
        return self.judge(way).accept - self.judge(way).doubtful

    def config(self) -> dict[str, Any]:
        """JSON-able, what `empty` needs."""
        shape = None if self.encoder is None else list(self.encoder.latent_shape)
        judges = (self.plain, self.other, *self.early)
        supports = [len(judge.get_buffer("supports")) for judge in judges]
        return {"latent_shape": shape, "own": len(self.own), "supports": supports}

    @classmethod
    def empty(cls, config: Mapping[str, Any], sample_shape: tuple[int, ...]) -> WitnessModel:
        """One into which a stored `state_dict` can be loaded."""
        shape = config["latent_shape"]
        encoder = None if shape is None else Encoder(sample_shape, tuple(shape))
        model = cls(encoder, int(config["own"]), sample_shape, config["supports"])
        return model.eval().requires_grad_(False)
