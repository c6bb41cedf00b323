"""What a solver is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators.operator import LinearOperator
from flipad_ops.inversion.terms import L1, Box


@dataclass(frozen=True, eq=False)
class Problem:
    """min_d f(W d) + g(d) for a batch; the box is shifted by W anchor + b already."""

    box: Box
    l1: L1

    def __len__(self) -> int:
        return self.box.lower.shape[0]


@dataclass(frozen=True)
class Stop:
    """When an image is finished: relative gap or iteration limit."""

    tolerance: float
    max_iterations: int
    check_every: int


@dataclass(frozen=True, eq=False)
class Solution:
    """d (batch, *input_shape) with iterations, gap and objective, each (batch,)."""

    d: Tensor
    iterations: Tensor
    gap: Tensor
    objective: Tensor

    def select(self, rows: slice) -> Solution:
        """The solutions of some images."""
        return Solution(self.d[rows], self.iterations[rows], self.gap[rows], self.objective[rows])


def join(parts: list[Solution]) -> Solution:
    """Solutions of consecutive batches as one."""
    return Solution(
        *(
            torch.cat([getattr(part, name) for part in parts])
            for name in ("d", "iterations", "gap", "objective")
        )
    )


class Solver(Protocol):
    """One way of solving the lasso; holds what depends on W alone.

    To add one, write a class like this and name it in `flipad_ops.inversion.solvers.choose`.
    """

    @classmethod
    def can(cls, layer: FinalLayer) -> bool:
        """Whether it solves for this layer."""
        ...

    @classmethod
    def of(cls, layer: FinalLayer, operator: LinearOperator) -> Solver:
        """Ready for the layer, whose W is `operator`."""
        ...

    def solve(self, problem: Problem, stop: Stop) -> Solution:
        """Solve every image of the batch to `stop`."""
        ...
