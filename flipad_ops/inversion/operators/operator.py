"""The interface every linear operator W offers to the solvers."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class LinearOperator(Protocol):
    """W, from activations (batch, *input_shape) to outputs (batch, *output_shape)."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...

    @property
    def output_shape(self) -> tuple[int, ...]: ...

    @property
    def device(self) -> torch.device: ...

    def apply(self, z: Tensor) -> Tensor:
        """W z."""
        ...

    def adjoint(self, u: Tensor) -> Tensor:
        """W^T u."""
        ...


def squared_norm(operator: LinearOperator, iterations: int = 100, margin: float = 1.01) -> float:
    """Largest eigenvalue of W W^T by power iteration in float64, times `margin`.

    The margin covers what the iteration has not reached yet, so 1/result is a safe step.

    Returns
    -------
    float
        At least the smallest positive float, so that it can be divided by.
    """
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(1, *operator.output_shape, generator=generator, dtype=torch.float64)
    u = u.to(operator.device)
    value = 0.0
    for _ in range(iterations):
        u = u / u.norm().clamp_min(1e-300)
        image = operator.apply(operator.adjoint(u))
        previous, value = value, float((u * image).sum())
        u = image
        if abs(value - previous) <= 1e-6 * value:
            break
    return max(value * margin, 1e-30)
