"""The images that the fast solver is iterating."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.inversion.terms import per_image

#: Checks are `every` iterations apart until an age of 2 RARER of those, and at most RAREST of them.
RARER, RAREST = 2, 8


@dataclass(eq=False)
class State:
    """Images being iterated; one row each, states and boxes divided by mu.

    `multiplier` and `total` are sums over the last `count` iterations, of the dual point and of d
    after its prox: since the age `opened`, until at the age `closes` the image is checked.
    """

    index: Tensor
    age: Tensor
    d: Tensor
    u: Tensor
    lower: Tensor
    upper: Tensor
    mu: Tensor
    multiplier: Tensor
    total: Tensor
    count: Tensor
    dual: Tensor
    stored: Tensor
    due: Tensor
    opened: Tensor
    closes: Tensor

    def join(self, other: State) -> State:
        return State(**{k: torch.cat([v, getattr(other, k)]) for k, v in vars(self).items()})

    def select(self, rows: Tensor) -> State:
        return State(**{k: v[rows] for k, v in vars(self).items()})

    def begin(self, every: int, most: int) -> None:
        """Begin new sums where the last were checked.

        Checks are `every` iterations apart at first, the last one is at `most`.
        """
        opening = self.age == self.closes
        ends = (self.age + interval(self.age, every)).clamp(max=most)
        self.opened = torch.where(opening, self.age, self.opened)
        self.closes = torch.where(opening, ends, self.closes)
        self.multiplier[opening] = 0
        self.total[opening] = 0


def fresh(
    rows: slice, zero: Tensor, lower: Tensor, upper: Tensor, mu: Tensor, multiplier: Tensor
) -> State:
    """States at d = 0 of the problem's images `rows`.

    Parameters
    ----------
    zero, lower, upper : Tensor
        Packed; the box not yet divided by mu.
    mu : Tensor, (batch,)
    multiplier : Tensor
        Dual point at d = 0 over r.
    """
    count, device = len(lower), lower.device
    mu = mu.reshape(-1, 1, 1, 1)
    return State(
        index=torch.arange(rows.start, rows.stop, device=device),
        age=torch.zeros(count, dtype=torch.int64, device=device),
        d=zero,
        u=torch.zeros_like(lower),
        lower=lower / mu,
        upper=upper / mu,
        mu=mu,
        multiplier=multiplier,
        total=torch.zeros_like(zero),
        count=torch.ones_like(mu),
        dual=torch.zeros(count, dtype=torch.float64, device=device),
        stored=torch.zeros(count, dtype=torch.bool, device=device),
        due=torch.zeros(count, dtype=torch.int64, device=device),
        opened=torch.zeros(count, dtype=torch.int64, device=device),
        closes=torch.zeros(count, dtype=torch.int64, device=device),
    )


def interval(age: Tensor, every: int) -> Tensor:
    """Iterations from an age (n,) to the next check: a circling image's arc grows with its age."""
    return every * torch.div(age, RARER * every, rounding_mode="floor").clamp(1, RAREST)


def weighted(d: Tensor, u: Tensor, r: float) -> Tensor:
    """Norm per image in the metric of the splitting, float64."""
    return (per_image(d.square()) + r * per_image(u.square())).sqrt()


def rounded(factor: Tensor) -> Tensor:
    """To a power of sqrt 2, so that the last bits of a sum do not change a penalty."""
    return torch.exp2(torch.round(2 * torch.log2(factor.double())) / 2).float()
