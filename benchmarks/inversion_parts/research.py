"""The research code's iteration, written from METHOD.md sections 1 and 2.

FISTA with a hand-tuned fixed step and no restart, started at zbar in shifted coordinates
where 0 is meant, stopped when the largest change over the whole batch is small.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.inversion.operators import LayerOperator

STEP = 0.025
#: Our reading of its rule; METHOD.md gives the maximum over the batch but no number.
CHANGE = 1e-6


def research_fista(
    operator: LayerOperator, target: Tensor, anchor: Tensor, alpha: float, iterations: int
) -> tuple[Tensor, int]:
    """d (batch, *input_shape) and the iterations used; `target` is y - W zbar - b."""
    d = anchor.expand(target.shape[0], *anchor.shape).clone()
    point, t = d, 1.0
    for iteration in range(1, iterations + 1):
        gradient = operator.adjoint(operator.apply(point) - target)
        new = F.softshrink(point - STEP * gradient, STEP * alpha)
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        change = new - d
        point = new + ((t - 1) / following) * change
        d, t = new, following
        if iteration % 10 == 0 and float(change.abs().max()) < CHANGE:
            return d, iteration
    return d, iterations


def objective(operator: LayerOperator, target: Tensor, d: Tensor, alpha: float) -> Tensor:
    """Point objective per image, float64, (batch,)."""
    residual = operator.apply(d) - target
    square = residual.square().flatten(1).sum(1, dtype=torch.float64)
    return 0.5 * square + alpha * d.abs().flatten(1).sum(1, dtype=torch.float64)
