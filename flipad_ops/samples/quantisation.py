"""Which values a stored sample can take: what its quantisation cell is when it is inverted.

An 8-bit image knows each pixel to 1/255, a 16-bit one to 1/65535, a table each column to the last
decimal that is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import UsageError

if TYPE_CHECKING:  # decoding processes import this
    from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Values `k * step - offset` for whole k, in pixel units: samples lie in [0, 1].

    Parameters
    ----------
    steps : tuple of float
        One for all entries of a sample, or one each for those of a flat sample; 0 for entries that
        are stored as they are.
    offsets : tuple of float
        As many, or none for zeros.
    """

    steps: tuple[float, ...] = (1 / 255,)
    offsets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.steps or any(not (math.isfinite(s) and 0 <= s <= 1) for s in self.steps):
            raise UsageError("Quantisation steps must lie between 0 and 1.")
        if self.offsets and len(self.offsets) != len(self.steps):
            raise UsageError("A grid has one offset for each of its steps.")

    @property
    def step(self) -> float | Tensor:
        """The step in pixel units; a Tensor, float64, (n,), where entries differ."""
        if len(set(self.steps)) == 1:
            return self.steps[0]
        import torch

        return torch.tensor(self.steps, dtype=torch.float64)

    @property
    def levels(self) -> int:
        """How many steps lead from 0 to 1, where all entries have one step above 0; else 0."""
        even = len(set(self.steps)) == 1 and self.steps[0] > 0
        return round(1 / self.steps[0]) if even and not any(self.offsets) else 0

    def round(self, pixels: Tensor) -> Tensor:
        """The nearest values that are stored, (n, ...) float32 within [0, 1]."""
        import torch

        pixels = pixels.clamp(0.0, 1.0)
        if self.levels:
            return torch.round(pixels * self.levels) / self.levels
        steps = torch.tensor(self.steps, dtype=torch.float64)
        offsets = torch.tensor(self.offsets or (0.0,), dtype=torch.float64)
        kept = steps == 0
        steps = torch.where(kept, 1.0, steps)
        rounded = torch.round((pixels.double() + offsets) / steps) * steps - offsets
        return torch.where(kept, pixels.double(), rounded).clamp(0.0, 1.0).float()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"steps": list(self.steps), "offsets": list(self.offsets)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Grid:
        """Inverse of `to_dict`."""
        return cls(tuple(map(float, fields["steps"])), tuple(map(float, fields["offsets"])))


EIGHT_BIT, SIXTEEN_BIT = Grid(), Grid((1 / 65535,))
#: By the number of bits that metadata states.
BITS = {8: EIGHT_BIT, 16: SIXTEEN_BIT}
