"""The product's inversion with gradients: its own iterations, unrolled.

The Douglas-Rachford splitting (`flipad_ops.inversion.solvers.splitting`) stops after some tens of
iterations, few enough to differentiate through all of them. Each image is unrolled for exactly as
many as the product needs, with the product's own operators, penalties and starting point; values
are those of the product's inversion, so only the gradient is ours. Penalties and the moment of
stopping are taken as constants.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_inverter import build_inverter
from flipad_ops.common.errors import UsageError
from flipad_ops.generators import quantise
from flipad_ops.inversion import FinalLayerInverter
from flipad_ops.inversion.solvers.iterates import interval, weighted
from flipad_ops.inversion.solvers.iterates import rounded as to_power
from flipad_ops.inversion.solvers.packed import PackedTerms
from flipad_ops.inversion.solvers.splitting import (
    BACKOFF,
    RELAXATION,
    STEP_LIMIT,
    Splitting,
)
from flipad_ops.inversion.terms import L1, per_image

Map = Callable[[Tensor], Tensor]
HALF_LEVEL = 0.5 / 255


class _Straight(torch.autograd.Function):
    """One tensor's values with another's gradient (straight through, Bengio et al., 2013)."""

    @staticmethod
    def forward(ctx: FunctionCtx, gradient_of: Tensor, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def straight(gradient_of: Tensor, values: Tensor) -> Tensor:
    """`values`, whose gradient goes to `gradient_of` of the same shape."""
    out: Tensor = _Straight.apply(gradient_of, values.detach())  # type: ignore[no-untyped-call]
    return out


def rounded(pixels: Tensor) -> Tensor:
    """To 8 bits, straight through."""
    return straight(pixels, quantise(pixels.detach()))


class _Linear(torch.autograd.Function):
    """A linear map whose derivative is given: the product's are written with in-place steps."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, apply: Map, adjoint: Map) -> Tensor:
        ctx.adjoint = adjoint  # type: ignore[attr-defined]
        return apply(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.adjoint(gradient.contiguous()), None, None  # type: ignore[attr-defined]


def linear(x: Tensor, apply: Map, adjoint: Map) -> Tensor:
    """`apply(x)`, with `adjoint` as its derivative's transpose."""
    out: Tensor = _Linear.apply(x, apply, adjoint)  # type: ignore[no-untyped-call]
    return out


class UnrolledInversion:
    """Pixels (n, *sample_shape) on the 8-bit grid to activations, differentiable once.

    Parameters
    ----------
    attributor : Attributor
        Inverted by the fast solver, whole and without a skip image; anything else is a UsageError.
    """

    def __init__(self, attributor: Attributor) -> None:
        inverter = build_inverter(
            attributor.layer, attributor.output_map, attributor.anchor, attributor.settings, "cpu"
        )
        if type(inverter) is not FinalLayerInverter or not isinstance(inverter.solver, Splitting):
            raise UsageError("Only whole inversions by the fast solver are unrolled.")
        self.inverter, self.solver = inverter, inverter.solver
        self.settings = attributor.settings.inversion
        if self.settings.nonnegative or self.settings.data_term != "box" or not self.solver.certify:
            raise UsageError("Only the box without a sign constraint is unrolled.")

    def __call__(self, pixels: Tensor) -> Tensor:
        """Activations (n, *input_shape) as the product recovers them."""
        with torch.no_grad():
            exact = self.inverter.invert(pixels.detach())
        if not pixels.requires_grad:
            return exact.z
        ours = self.inverter.anchor + self.unroll(pixels, exact.iterations)
        return straight(ours, exact.z)

    def box(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds of the final layer's output, less its offset, each (n, *output_shape).

        As `OutputMap.interval_target`, with gradients that stay finite at black and white.
        """
        pixels, maps = (
            pixels.reshape(-1, *self.inverter.layer.output_shape),
            self.inverter.output_map,
        )
        ends = []
        for end in (-HALF_LEVEL, HALF_LEVEL):
            at = (pixels + end).clamp(HALF_LEVEL / 2, 1 - HALF_LEVEL / 2)
            bound = maps.inverse(maps.to_output(at)) - self.inverter.offset
            lost = pixels + end <= 0 if end < 0 else pixels + end >= 1
            ends.append(bound.masked_fill(lost, torch.inf if end > 0 else -torch.inf))
        return ends[0], ends[1]

    def unroll(self, pixels: Tensor, iterations: Tensor) -> Tensor:
        """d (n, *input_shape) after each image's own number of iterations, (n,) int64."""
        solver, operator = self.solver, self.solver.operator
        every, r = self.settings.check_every, solver.r
        terms = PackedTerms(operator, L1(self.inverter.penalty()))
        lower, upper = self.box(pixels)
        lower = operator.pack_output(lower, -torch.inf)
        upper = operator.pack_output(upper, torch.inf)
        u = torch.zeros_like(lower)
        with torch.no_grad():
            nearest = torch.minimum(torch.maximum(u, lower), upper)
            ridge = r * operator.adjoint(solver.inverse(u - nearest))
            size = per_image(ridge.square()).div(ridge[0].numel()).sqrt()
            mu = to_power(torch.where(size > 0, solver.scale * size, 1.0) / terms.scale)
            mu = mu.reshape(-1, 1, 1, 1)
        d, due = torch.zeros_like(ridge), torch.zeros_like(iterations)
        answer = torch.zeros_like(ridge)
        age, most = 0, self.settings.max_iterations
        while age < int(iterations.max()):
            total = torch.zeros_like(d)
            steps = min(int(interval(torch.tensor(age), every)), most - age)
            for _ in range(steps):
                old = (d, u)
                near, pull = self._prox(d, u, lower, upper, mu, terms)
                total = total + near
                image = linear(2 * near - d, operator.apply, operator.adjoint)
                w = linear(u - 2 * pull - image, solver.inverse, solver.inverse)
                back = linear(w, operator.adjoint, operator.apply)
                d = d + RELAXATION * (near - d + r * back)
                u = u - RELAXATION * (pull + w)
            here = (iterations == age + steps).reshape(-1, 1, 1, 1)
            answer = torch.where(here, total / steps, answer)
            d, u, mu, due = self._balance(old, (d, u), (lower, upper), mu, due, age, terms)
            age += steps
        return operator.unpack_input(answer)

    def _prox(self, d: Tensor, u: Tensor, lower: Tensor, upper: Tensor, mu: Tensor,
              terms: PackedTerms) -> tuple[Tensor, Tensor]:  # fmt: skip
        """prox of the l1 term, and what the prox of the box takes off u."""
        threshold = terms.scale * mu
        near = (d - torch.minimum(torch.maximum(d, -threshold), threshold)) * terms.support
        inside = torch.minimum(torch.maximum(u, lower), upper)
        return near, (u - inside) * (mu / (self.solver.r + mu))

    def _balance(
        self, old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor], box: tuple[Tensor, Tensor],
        mu: Tensor, due: Tensor, age: int, terms: PackedTerms,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """The solver's change of mu, a constant to the gradient."""
        r, (d, u) = self.solver.r, new
        x, pull = self._prox(d, u, *box, mu, terms)
        y = u - pull
        with torch.no_grad():
            before, old_pull = self._prox(*old, *box, mu, terms)
            primal = weighted(d - old[0], u - old[1], r) / RELAXATION
            dual = weighted(x - before, y - (old[1] - old_pull), r)
            size, multiplier = weighted(x, y, r), weighted(d - x, u - y, r)
            factor = ((dual * size) / (primal * multiplier).clamp_min(1e-300)).sqrt()
            usable = torch.isfinite(factor) & (factor > 0)
            factor = torch.where(usable, factor.clamp(1 / STEP_LIMIT, STEP_LIMIT), 1.0)
            factor = torch.where(age >= due, to_power(factor), 1.0)
            due = torch.where(age >= due, (age + 1) * BACKOFF, due)
            scale = factor.reshape(-1, 1, 1, 1)
        return x + scale * (d - x), y + scale * (u - y), mu * scale, due
