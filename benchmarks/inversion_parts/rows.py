"""Synthetic layers and the rows measured on each."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators import LayerOperator
from flipad_ops.inversion.solvers import Fista, Problem, Solver, Stop, make_solver
from flipad_ops.inversion.terms import L1, Box


def synthetic(seed: int, size: int) -> dict[str, FinalLayer]:
    """An SD-like 3x3 layer, a 1x1 layer and a Linear layer with random weights."""
    random = torch.Generator().manual_seed(seed)

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random) / (shape[1] ** 0.5)

    return {
        f"conv 3x3 128->3 at {size}x{size}": FinalLayer(
            "conv2d", weight(3, 128, 3, 3), None, (128, size, size), (3, size, size),
            padding=(1, 1),
        ),
        "conv 1x1 64->3 at 64x64": FinalLayer(
            "conv2d", weight(3, 64, 1, 1), None, (64, 64, 64), (3, 64, 64)
        ),
        "linear 100->11": FinalLayer("linear", weight(11, 100), None, (100,), (11,)),
    }  # fmt: skip


def sparse_box(layer: FinalLayer, count: int, seed: int) -> Box:
    """Point targets made of sparse activations plus a little noise."""
    random = torch.Generator().manual_seed(seed)
    shape = (count, *layer.input_shape)
    z = torch.randn(shape, generator=random) * (torch.rand(shape, generator=random) < 0.05)
    y = layer(z)
    y = y + 0.01 * torch.randn(y.shape, generator=random)
    return Box(y, y)


def timed(solver: Solver, problem: Problem, stop: Stop) -> dict[str, Any]:
    """One row: seconds, iterations, objective, gap (means and worst)."""
    begin = time.process_time()
    found = solver.solve(problem, stop)
    seconds = time.process_time() - begin
    return {
        "seconds": seconds,
        "ms_per_image": 1e3 * seconds / len(problem),
        "iterations": float(found.iterations.double().mean()),
        "objective": float(found.objective.mean()),
        "largest_gap": float(found.gap.max()),
    }


def compare(
    name: str, layer: FinalLayer, box: Box, alpha: float, stop: Stop
) -> list[dict[str, Any]]:
    """Fast solver and FISTA to the same gap."""
    operator = LayerOperator(layer)
    problem = Problem(box, L1(torch.tensor(alpha)))
    solvers: dict[str, Solver] = {
        "fast": make_solver(layer, operator, "fast"),
        "fista": Fista(operator),
    }
    return [
        {"case": name, "solver": label, "images": len(problem), "alpha": alpha,
         **timed(solver, problem, stop)}
        for label, solver in solvers.items()
    ]  # fmt: skip


def lasso_row(layer: FinalLayer, box: Box, alpha: float) -> list[dict[str, Any]]:
    """skglm on the explicit matrix of a Linear layer, for reference."""
    try:
        from skglm import Lasso
    except ImportError:
        return []
    matrix = layer.weight.double().numpy()
    begin, best = time.process_time(), []
    for y in box.lower.double().numpy():
        model = Lasso(alpha / matrix.shape[0], fit_intercept=False, tol=1e-8).fit(matrix, y)
        residual = y - matrix @ model.coef_
        best.append(0.5 * residual @ residual + alpha * abs(model.coef_).sum())
    seconds = time.process_time() - begin
    return [{"case": "linear 100->11", "solver": "skglm", "images": len(best), "alpha": alpha,
             "seconds": seconds, "ms_per_image": 1e3 * seconds / len(best),
             "objective": sum(best) / len(best)}]  # fmt: skip
