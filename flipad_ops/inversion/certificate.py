"""Duality gap: an upper bound of how far an objective is from the optimum.

Primal  P(d) = f(W d) + g(d)
Dual    D(v) = -f*(v) - g*(-W^T v),   f*(v) = 1/2 ||v||^2 + sup_box <v, .>
for the box already shifted by c = W anchor + b.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.inversion.terms import L1, Box, per_image

#: Objectives below this many units per output count as zero when a gap is made relative.
FLOOR_PER_OUTPUT = 1e-8


def dual_value(box: Box, l1: L1, v: Tensor, adjoint: Tensor) -> Tensor:
    """D at the best feasible multiple t v, 0 <= t, of a candidate v; float64, (batch,).

    Parameters
    ----------
    v : Tensor, (batch, *output_shape)
        A gradient of f, so its signs suit the infinite ends of the box.
    adjoint : Tensor, (batch, *input_shape)
        W^T v.
    """
    limit = l1.feasible_scale(-adjoint) * (1 - 1e-7)
    square = per_image(v.square())
    linear = box.support(v)
    # Without the floor's conjugate D(t) = -t^2/2 |v|^2 - t sup, so the best t is explicit.
    best = (-linear / square.clamp_min(1e-300)).clamp_min(0.0)
    t = torch.minimum(best if l1.floor is None else torch.ones_like(best), limit)
    shape = (-1,) + (1,) * (adjoint.dim() - 1)
    penalty = l1.conjugate(-adjoint * t.to(adjoint.dtype).reshape(shape))
    return (-0.5 * t.square() * square - t * linear - penalty).clamp_min(0.0)


def relative_gap(objective: Tensor, dual: Tensor, outputs: int) -> Tensor:
    """(P - D) / max(P, floor), float64, (batch,); never negative."""
    floor = FLOOR_PER_OUTPUT * outputs
    return ((objective - dual) / objective.clamp_min(floor)).clamp_min(0.0)
