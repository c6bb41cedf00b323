"""The images that the fast solver is iterating."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.inversion.terms import per_image


@dataclass(eq=False)
class State:
    """Images being iterated; one row each, states and boxes divided by mu.

    `multiplier` and `total` are sums over the last `count` iterations, of the dual point and of d
    after its prox.
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

    def join(self, other: State) -> State:
        return State(**{k: torch.cat([v, getattr(other, k)]) for k, v in vars(self).items()})

    def select(self, rows: Tensor) -> State:
        return State(**{k: v[rows] for k, v in vars(self).items()})


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
    )


def weighted(d: Tensor, u: Tensor, r: float) -> Tensor:
    """Norm per image in the metric of the splitting, float64."""
    return (per_image(d.square()) + r * per_image(u.square())).sqrt()


def rounded(factor: Tensor) -> Tensor:
    """To a power of sqrt 2, so that the last bits of a sum do not change a penalty."""
    return torch.exp2(torch.round(2 * torch.log2(factor.double())) / 2).float()
