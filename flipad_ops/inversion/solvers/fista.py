"""FISTA with adaptive restart: the reference solver.

Beck and Teboulle (2009); restart on the gradient test of O'Donoghue and Candes (2015).
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.certificate import dual_value, relative_gap
from flipad_ops.inversion.operators.operator import LinearOperator, squared_norm
from flipad_ops.inversion.solvers.solver import Problem, Solution, Stop
from flipad_ops.inversion.terms import per_image


class Fista:
    """Proximal gradient with momentum, restart and stopping decided for each image alone.

    Parameters
    ----------
    operator : LinearOperator
    """

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator
        self.step = 1.0 / squared_norm(operator)

    @classmethod
    def can(cls, layer: FinalLayer) -> bool:
        """It needs nothing but products."""
        return True

    @classmethod
    def of(cls, layer: FinalLayer, operator: LinearOperator) -> Fista:
        """See `Solver`."""
        return cls(operator)

    def solve(self, problem: Problem, stop: Stop) -> Solution:
        """Solve a batch; finished images stay in it, frozen, until all are finished."""
        batch, device = len(problem), problem.box.lower.device
        shape = (batch, *self.operator.input_shape)
        ones = (-1,) + (1,) * (len(shape) - 1)
        d = torch.zeros(shape, dtype=problem.box.lower.dtype, device=device)
        point, momentum = d, torch.ones(batch, dtype=d.dtype, device=device)
        best = d.clone()
        iterations = torch.zeros(batch, dtype=torch.int64, device=device)
        gap = torch.full((batch,), torch.inf, dtype=torch.float64, device=device)
        objective, dual = gap.clone(), torch.zeros_like(gap)
        active = torch.ones(batch, dtype=torch.bool, device=device)
        for iteration in range(stop.max_iterations + 1):
            if iteration % stop.check_every == 0 or iteration == stop.max_iterations:
                value, candidate = self._certify(problem, d)
                better = active & (value < objective)
                best = torch.where(better.reshape(ones), d, best)
                objective = torch.where(better, value, objective)
                dual = torch.where(active, torch.maximum(dual, candidate), dual)
                outputs = problem.box.lower[0].numel()
                gap = torch.where(active, relative_gap(objective, dual, outputs), gap)
                iterations[active] = iteration
                active = active & (gap > stop.tolerance)
                if not bool(active.any()) or iteration == stop.max_iterations:
                    break
            gradient = self.operator.adjoint(problem.box.gradient(self.operator.apply(point)))
            new = problem.l1.prox(point - self.step * gradient, self.step)
            restart = per_image((point - new) * (new - d)) > 0
            momentum = torch.where(restart, torch.ones_like(momentum), momentum)
            following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
            weight = torch.where(restart, 0.0 * momentum, (momentum - 1) / following)
            point = new + weight.reshape(ones) * (new - d)
            d, momentum = new, following
        return Solution(best, iterations, gap, objective)

    def _certify(self, problem: Problem, d: Tensor) -> tuple[Tensor, Tensor]:
        u = self.operator.apply(d)
        v = problem.box.gradient(u)
        objective = 0.5 * per_image(v.square()) + problem.l1.value(d)
        return objective, dual_value(problem.box, problem.l1, v, self.operator.adjoint(v))
