"""What a generator takes in: latent shape and distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from flipad_ops.common.errors import LatentUnknown
from flipad_ops.generators.conditions import Classes, classes_of, stated_inputs

Distribution = Literal["normal", "uniform", "recorded"]

#: Entries of standard normal latents lie within.
NORMAL = 5.0
#: Combinations of classes that are tried one by one, at most.
TOGETHER = 1024
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
    distribution : {"normal", "uniform", "recorded"}
        N(0, 1), uniform on [-1, 1], or drawn without repetition from `recorded`.
    recorded : Tensor or None, (count, *shape)
        Latents that were really used, for a decoder behind something that is not at hand, such
        as a denoiser.
    classes : tuple of Classes
        Drawn for each image; the last numbers of a latent, whose shape is then flat.
    """

    shape: tuple[int, ...]
    distribution: Distribution = "normal"
    recorded: Tensor | None = field(default=None, repr=False, compare=False)
    classes: tuple[Classes, ...] = ()

    def __post_init__(self) -> None:
        if not self.shape or any(type(n) is not int or n < 1 for n in self.shape):
            raise LatentUnknown(f"Latent shape {list(self.shape)} is not a list of positive sizes.")
        if math.prod(self.shape) > 2**24:
            raise LatentUnknown(f"Latent shape {list(self.shape)} is absurdly large.")
        if self.distribution not in get_args(Distribution):
            raise LatentUnknown(
                f"Latent distribution {self.distribution!r} is not one of normal, uniform, "
                "recorded."
            )
        if (self.distribution == "recorded") != (self.recorded is not None):
            raise LatentUnknown(
                "Latents are recorded when a file of them is named, and only then: "
                '{"latent": {"shape": [4, 64, 64], "file": "latents.safetensors"}}.'
            )
        if self.recorded is not None and tuple(self.recorded.shape[1:]) != self.shape:
            raise LatentUnknown(
                f"The recorded latents have shape {list(self.recorded.shape[1:])}, not "
                f"{list(self.shape)}."
            )

    def at_most(self, count: int) -> int:
        """`count`, or how many recorded latents there are, if fewer."""
        return count if self.recorded is None else min(count, len(self.recorded))

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` latents, float32 (count, *shape), on the CPU so that every device agrees.

        Raises
        ------
        LatentUnknown
            More than are recorded: repeated ones would put the same image into training and test.
        """
        source = torch.Generator().manual_seed(seed)
        if self.recorded is not None:
            if count > len(self.recorded):
                raise LatentUnknown(
                    f"{count} latents are needed and {len(self.recorded)} are recorded.",
                    remedy="Record more of them, or fit with fewer samples (--settings)",
                )
            return self.recorded[torch.randperm(len(self.recorded), generator=source)[:count]]
        *sides, last = self.shape
        shape = (count, *sides, last - len(self.classes))
        if self.distribution == "normal":
            drawn = torch.randn(shape, generator=source)
        else:
            drawn = torch.rand(shape, generator=source) * 2 - 1
        held = [each.draw(count, source)[:, None] for each in self.classes]
        return torch.cat([drawn, *held], dim=1) if held else drawn

    @property
    def choices(self) -> tuple[Tensor, ...]:
        """What the last entries of a latent may be, (k, number of classes) float32; (k, 1) for
        each class that is drawn where they are too many together."""
        known = [each.choices() for each in self.classes]
        if math.prod(map(len, known)) > TOGETHER:
            return tuple(each[:, None] for each in known)
        return (torch.cartesian_prod(*known).reshape(-1, len(known)),) if known else ()

    def span(self, known: Tensor | None = None) -> tuple[float, float, float]:
        """Least and largest entry, and standard deviation; of recorded latents by those `known`,
        (n, *shape), or by all."""
        if self.recorded is None:
            return (-NORMAL, NORMAL, 1.0) if self.distribution == "normal" else (-1, 1, 3**-0.5)
        at = self.recorded if known is None else known
        return float(at.min()), float(at.max()), float(at.std())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, as it stands in model metadata."""
        return {"shape": list(self.shape), "distribution": self.distribution}

    def __str__(self) -> str:
        drawn = "".join(f", one of {len(each.weights)} classes" for each in self.classes)
        *sides, last = self.shape
        known = "" if self.recorded is None else f" ({len(self.recorded)} of them)"
        return f"{[*sides, last - len(self.classes)]}, {self.distribution}{known}{drawn}"

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Any] | None, recorded: Tensor | None = None
    ) -> LatentSpec:
        """Read `{"latent": {"shape": [...], "distribution": ...}}`.

        Parameters
        ----------
        recorded : Tensor, optional, (count, *shape)
            What the file that `latent` names holds.

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
        usual = "normal" if recorded is None else "recorded"
        classes = classes_of(stated_inputs(metadata))
        if not classes:
            return cls(tuple(shape), latent.get("distribution", usual), recorded)
        if recorded is not None:
            raise LatentUnknown("Recorded latents and classes that are drawn do not go together.")
        inner = cls(tuple(shape), latent.get("distribution", usual))
        return cls((math.prod(inner.shape) + len(classes),), inner.distribution, classes=classes)
