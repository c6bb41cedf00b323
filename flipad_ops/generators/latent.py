"""What a generator takes in: latent shape and distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from flipad_ops.errors import LatentUnknown

Distribution = Literal["normal", "uniform"]

HOW_TO_STATE = (
    'log the model with metadata={"flipad": {"latent": {"shape": [100, 1, 1], '
    '"distribution": "normal"}}}'
)


@dataclass(frozen=True)
class LatentSpec:
    """Shape of one latent (no batch dimension) and its distribution.

    Parameters
    ----------
    shape : tuple of int
    distribution : {"normal", "uniform"}
        N(0, 1), or uniform on [-1, 1].
    """

    shape: tuple[int, ...]
    distribution: Distribution = "normal"

    def __post_init__(self) -> None:
        if not self.shape or any(type(n) is not int or n < 1 for n in self.shape):
            raise LatentUnknown(f"Latent shape {list(self.shape)} is not a list of positive sizes.")
        if math.prod(self.shape) > 2**24:
            raise LatentUnknown(f"Latent shape {list(self.shape)} is absurdly large.")
        if self.distribution not in get_args(Distribution):
            raise LatentUnknown(
                f"Latent distribution {self.distribution!r} is not one of normal, uniform."
            )

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` latents, float32 (count, *shape), on the CPU so that every device agrees."""
        source = torch.Generator().manual_seed(seed)
        if self.distribution == "normal":
            return torch.randn(count, *self.shape, generator=source)
        return torch.rand(count, *self.shape, generator=source) * 2 - 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, as it stands in model metadata."""
        return {"shape": list(self.shape), "distribution": self.distribution}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any] | None) -> LatentSpec:
        """Read `{"latent": {"shape": [...], "distribution": ...}}`.

        Raises
        ------
        LatentUnknown
            Missing or malformed; the message says what to add.
        """
        latent = (metadata or {}).get("latent")
        if not isinstance(latent, Mapping) or "shape" not in latent:
            raise LatentUnknown(f"The generator does not state its latent shape: {HOW_TO_STATE}.")
        shape = latent["shape"]
        if not isinstance(shape, (list, tuple)):
            raise LatentUnknown(f"Latent shape {shape!r} is not a list: {HOW_TO_STATE}.")
        return cls(tuple(shape), latent.get("distribution", "normal"))
