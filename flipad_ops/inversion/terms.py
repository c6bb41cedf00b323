"""The two terms of the lasso: distance to a box and weighted l1 norm.

A point target is the box with equal ends, a lost pixel the box without ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def per_image(values: Tensor) -> Tensor:
    """Sum over everything but the batch, accumulated in float64; (batch,)."""
    return values.flatten(1).sum(1, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class Box:
    """f(u) = 1/2 dist(u, [lower, upper])^2; both (batch, *output_shape), may be infinite."""

    lower: Tensor
    upper: Tensor

    def gradient(self, u: Tensor) -> Tensor:
        """u minus its projection onto the box; same shape as u."""
        return u - torch.minimum(torch.maximum(u, self.lower), self.upper)

    def value(self, u: Tensor) -> Tensor:
        """f per image, float64, (batch,)."""
        return 0.5 * per_image(self.gradient(u).square())

    def support(self, v: Tensor) -> Tensor:
        """sup over the box of <v, .>, per image; v must point to finite ends only."""
        end = torch.where(v > 0, self.upper, self.lower)
        return per_image(torch.where(v == 0, torch.zeros_like(v), v * end))

    def shifted(self, offset: Tensor) -> Box:
        """The box of u - offset."""
        return Box(self.lower - offset, self.upper - offset)

    def select(self, rows: Tensor) -> Box:
        """The boxes of some images."""
        return Box(self.lower[rows], self.upper[rows])


@dataclass(frozen=True, eq=False)
class L1:
    """g(d) = sum weight * |d|, optionally with d >= floor.

    Parameters
    ----------
    weight : Tensor
        Broadcastable to (batch, *input_shape), positive.
    floor : Tensor or None
        Broadcastable likewise, <= 0; minus the anchor makes z = anchor + d nonnegative.
    """

    weight: Tensor
    floor: Tensor | None = None

    def prox(self, d: Tensor, step: float | Tensor) -> Tensor:
        """argmin g(x) + ||x - d||^2 / (2 step)."""
        threshold = self.weight * step
        out = d - torch.minimum(torch.maximum(d, -threshold), threshold)
        return out if self.floor is None else torch.maximum(out, self.floor)

    def value(self, d: Tensor) -> Tensor:
        """g per image, float64, (batch,)."""
        return per_image(self.weight * d.abs())

    def feasible_scale(self, q: Tensor) -> Tensor:
        """Largest t with g*(t q) finite, per image, float64, (batch,)."""
        size = q if self.floor is not None else q.abs()
        worst = (size / self.weight).flatten(1).amax(1).double()
        return 1.0 / worst.clamp_min(1e-30)

    def conjugate(self, q: Tensor) -> Tensor:
        """g* at a feasible q, per image, float64: zero without a floor."""
        if self.floor is None:
            return torch.zeros(q.shape[0], dtype=torch.float64, device=q.device)
        return per_image(self.floor * torch.minimum(q + self.weight, torch.zeros_like(q)))
