"""Solvers against each other and against scikit-learn on the explicit matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Lasso
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators import LayerOperator
from flipad_ops.inversion.solvers import (
    Fista,
    Problem,
    Solution,
    Splitting,
    Stop,
    choose,
    make_solver,
)
from flipad_ops.inversion.terms import L1, Box
from tests.inversion.layers import CASES, case, layer_of

TIGHT = Stop(tolerance=1e-6, max_iterations=20000, check_every=20)


def largest_alpha(layer: FinalLayer, box: Box) -> float:
    """The alpha from which d = 0 is optimal for every image."""
    gradient = box.gradient(torch.zeros_like(box.lower))
    return float(LayerOperator(layer).adjoint(gradient).abs().max())


def solve_both(layer: FinalLayer, problem: Problem, stop: Stop) -> tuple[Solution, Solution]:
    operator = LayerOperator(layer)
    fast = make_solver(layer, operator, "fast")
    return fast.solve(problem, stop), Fista(operator).solve(problem, stop)


def targets(layer: FinalLayer, width: float, seed: int) -> Box:
    random = torch.Generator().manual_seed(seed)
    centre = torch.randn(3, *layer.output_shape, generator=random)
    lower, upper = centre - width, centre + width
    if width > 0:
        lost = torch.rand(centre.shape, generator=random)
        lower = lower.masked_fill(lost < 0.1, -torch.inf)
        upper = upper.masked_fill(lost > 0.9, torch.inf)
    return Box(lower, upper)


@pytest.mark.parametrize("name", ["dcgan", "strided", "linear"])
def test_agrees_with_scikit_learn(name: str) -> None:
    layer = case(name)
    operator = LayerOperator(layer)
    box = targets(layer, 0.0, 3)
    alpha = 0.2 * largest_alpha(layer, box)
    basis = torch.eye(torch.Size(layer.input_shape).numel(), dtype=torch.float64)
    matrix = operator.apply(basis.reshape(-1, *layer.input_shape)).flatten(1).T.numpy()
    rows = matrix.shape[0]
    model = Lasso(alpha / rows, fit_intercept=False, tol=1e-12, max_iter=200000)
    stop = Stop(2e-6, 20000, 50)
    for solution in solve_both(layer, Problem(box, L1(torch.tensor(alpha))), stop):
        for image in range(3):
            y = box.lower[image].flatten().double().numpy()
            d = model.fit(matrix, y).coef_
            best = 0.5 * np.square(y - matrix @ d).sum() + alpha * np.abs(d).sum()
            assert float(solution.objective[image]) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("width", [0.0, 0.1])
def test_solvers_agree_and_certify(name: str, width: float) -> None:
    layer = case(name)
    box = targets(layer, width, 5)
    alpha = torch.tensor(0.1 * largest_alpha(layer, box))
    fast, fista = solve_both(layer, Problem(box, L1(alpha)), Stop(3e-5, 4000, 20))
    torch.testing.assert_close(fast.objective, fista.objective, rtol=1e-4, atol=1e-6)
    # The 1x1 layer with a box is still above 3e-5 after these iterations.
    assert bool((fast.gap <= 1e-4).all())
    assert bool((fista.gap <= 1e-4).all())


def random_layer(draw: st.DrawFn) -> FinalLayer:
    kind = draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
    kernel = draw(st.integers(1, 4))
    stride = draw(st.integers(1, 3))
    padding = draw(st.integers(0, (kernel - 1) // 2))
    inputs, outputs = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    size = (draw(st.integers(kernel, 7)), draw(st.integers(kernel, 7)))
    torch.manual_seed(draw(st.integers(0, 99)))
    module = kind(inputs, outputs, kernel, stride, padding)
    return layer_of(module, (inputs, *size))


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.data(), st.floats(1e-4, 1.05), st.sampled_from([0.0, 0.2]), st.booleans())
def test_random_problems(data: st.DataObject, fraction: float, width: float, floor: bool) -> None:
    layer = data.draw(st.composite(random_layer)())
    box = targets(layer, width, 7)
    alpha = fraction * max(largest_alpha(layer, box), 1e-3)
    below = -0.2 * torch.ones(1, *layer.input_shape) if floor else None
    problem = Problem(box, L1(torch.tensor(alpha), below))
    fast, fista = solve_both(layer, problem, Stop(5e-5, 3000, 20))
    scale = fista.objective.clamp_min(1e-3)
    close = ((fast.objective - fista.objective).abs() / scale) <= 1e-4
    assert bool((close | (fast.gap > 5e-5) | (fista.gap > 5e-5)).all())
    # A dual value never exceeds a primal one, whichever solver each comes from.
    assert bool((fast.objective * (1 - fast.gap) <= fista.objective * (1 + 1e-5) + 1e-6).all())
    if below is not None:
        assert bool((fast.d >= below - 1e-6).all())


@pytest.mark.parametrize("name", ["dcgan", "strided", "linear"])
def test_penalties_for_the_objective_reach_the_same_optimum(name: str) -> None:
    layer = case(name)
    box = targets(layer, 0.1, 5)
    problem = Problem(box, L1(torch.tensor(0.05 * largest_alpha(layer, box))))
    operator = LayerOperator(layer)
    stop = Stop(1e-4, 20000, 50)
    fast, descent = (
        make_solver(layer, operator, n).solve(problem, stop) for n in ("fast", "descent")
    )
    assert float(descent.gap.max()) <= 1e-4
    torch.testing.assert_close(descent.objective, fast.objective, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("solver", ["fast", "descent", "fista"])
def test_zero_from_the_largest_alpha_on(solver: str) -> None:
    layer = case("dcgan")
    box = targets(layer, 0.1, 9)
    alpha = torch.tensor(1.0001 * largest_alpha(layer, box))
    found = make_solver(layer, LayerOperator(layer), solver).solve(Problem(box, L1(alpha)), TIGHT)
    assert not bool(found.d.any())
    assert found.iterations.tolist() == [0, 0, 0]
    assert float(found.gap.max()) <= 1e-6


class Unable(Fista):
    """A solver of another kind that this layer is not for."""

    @classmethod
    def can(cls, layer: FinalLayer) -> bool:
        return layer.kind == "linear"


def test_a_further_solver_is_one_class_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "SOLVERS", {"unable": Unable, **choose.SOLVERS})
    layer = case("dcgan")
    operator = LayerOperator(layer)
    assert isinstance(make_solver(layer, operator), Splitting)
    with pytest.raises(UsageError, match=r"solver unable cannot .* use fast, descent, fista or"):
        make_solver(layer, operator, "unable")
    linear = case("linear")
    assert isinstance(make_solver(linear, LayerOperator(linear)), Unable)
