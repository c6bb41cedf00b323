"""The fast solver: Douglas-Rachford splitting on the graph {(d, u): u = W d}.

Graph-form ADMM (Parikh and Boyd, 2014) written with one state per block. In the metric
`||d||^2 / mu + r ||u||^2 / mu` the projection onto the graph is, by the matrix inversion
lemma, `w = (I + r W W^T)^-1 (b - W a)`, `d = a + r W^T w`, `u = b - w`: one W, one W^T and
one small solve in output space (`operators.spectrum`). States are kept divided by mu, so
the soft threshold is alpha for every image and mu only scales the image's box.

The dual point of the certificate is the mean multiplier of the iterations since the last
check: it is far closer to feasible than any single one, because iterates circle the optimum.
Every operation treats images independently, and finished images make room for waiting ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.inversion.certificate import dual_value, relative_gap
from flipad_ops.inversion.operators.polyphase import SMALL_TORUS, BlockOperator, is_uniform
from flipad_ops.inversion.operators.spectrum import Spectrum
from flipad_ops.inversion.solvers.base import Problem, Solution, Stop, join
from flipad_ops.inversion.terms import L1, Box, per_image

#: r times ||W||^2 (how strongly the projection weighs outputs against activations) and the first
#: mu as a multiple of the size of a ridge solution over alpha: for the certificate, with mu
#: rebalanced, and for the objective alone, with mu kept (benchmarks/results/inversion.md).
CERTIFY, DESCEND = (36.0, 10.0), (160.0, 1.7)
#: Over-relaxation, in (0, 2).
RELAXATION = 1.7
#: mu changes by at most this factor at once, and when an image's age reached BACKOFF times
#: that of its last change.
STEP_LIMIT, BACKOFF = 4.0, 2
#: Images iterated together: few enough for their states to stay in the last-level cache.
SLOTS = 8
#: Layers below SMALL_TORUS blocks are solved in groups of exactly this many images.
SMALL_SLOTS = 64
#: Bytes that the states of all slots may take together.
MEMORY = 4 * 2**30


@dataclass(eq=False)
class _State:
    """Images being iterated; one row each, states and boxes divided by mu."""

    index: Tensor
    age: Tensor
    d: Tensor
    u: Tensor
    lower: Tensor
    upper: Tensor
    mu: Tensor
    multiplier: Tensor
    count: Tensor
    dual: Tensor
    stored: Tensor
    due: Tensor

    def join(self, other: _State) -> _State:
        return _State(**{k: torch.cat([v, getattr(other, k)]) for k, v in vars(self).items()})

    def select(self, rows: Tensor) -> _State:
        return _State(**{k: v[rows] for k, v in vars(self).items()})


class Splitting:
    """Fast solver for layers that have a torus form.

    Parameters
    ----------
    operator : BlockOperator
    device : str or torch.device
    certify : bool
        Choose penalties for a small duality gap. Without, the objective falls about twice as fast
        at small alpha, and the gap proves it late.
    """

    def __init__(
        self, operator: BlockOperator, device: str | torch.device = "cpu", certify: bool = True
    ) -> None:
        spectrum = Spectrum(operator)
        self.operator = operator.to(device, torch.float32)
        self.adjoint_matrix = self.operator.matrix.T.contiguous()
        self.certify = certify
        weight, self.scale = CERTIFY if certify else DESCEND
        self.r = weight / max(spectrum.largest, 1e-30)
        self.inverse = spectrum.inverse(self.r, device)
        height, width = operator.inputs.torus
        self.small = height * width < SMALL_TORUS

    def slot_bytes(self) -> int:
        """Memory per image being iterated: 4 activations, 4 products, 16 outputs."""
        operator = self.operator
        blocks = operator.inputs.torus[0] * operator.inputs.torus[1]
        per_block = 4 * operator.inputs.width + 4 * operator.matrix.shape[1]
        return 4 * blocks * (per_block + 16 * operator.outputs.width)

    def solve(self, problem: Problem, stop: Stop) -> Solution:
        """Solve every image; the order of the batch has no influence on any of them."""
        if self.small:
            return self._solve_padded(problem, stop)
        return self._solve_queue(problem, stop, max(1, min(SLOTS, MEMORY // self.slot_bytes())))

    def _solve_padded(self, problem: Problem, stop: Stop) -> Solution:
        """Groups of exactly SMALL_SLOTS images: small products round by their row count."""
        parts = []
        for start in range(0, len(problem), SMALL_SLOTS):
            rows = torch.arange(start, min(start + SMALL_SLOTS, len(problem)))
            filler = rows[:1].expand(SMALL_SLOTS - len(rows))
            box = problem.box.select(torch.cat([rows, filler]).to(problem.box.lower.device))
            whole = self._solve_queue(Problem(box, problem.l1), stop, SMALL_SLOTS)
            parts.append(whole.select(slice(0, len(rows))))
        return join(parts)

    def _solve_queue(self, problem: Problem, stop: Stop, slots: int) -> Solution:
        """Iterate `slots` images at a time; a finished one makes room for the next."""
        total, device = len(problem), problem.box.lower.device
        terms = _Terms(self.operator, problem.l1)
        out = Solution(
            torch.empty(total, *self.operator.input_shape, device=device),
            torch.zeros(total, dtype=torch.int64, device=device),
            torch.zeros(total, dtype=torch.float64, device=device),
            torch.zeros(total, dtype=torch.float64, device=device),
        )
        state, admitted = self._admit(problem, terms, 0, min(slots, total)), min(slots, total)
        while True:
            finished = self._check(state, terms, stop, out)
            if self.small and not bool(finished.all()):
                self._advance(state, terms, stop)
                continue
            state = state.select((~finished).nonzero()[:, 0])
            free = min(slots - len(state.age), total - admitted)
            if free > 0:
                fresh = self._admit(problem, terms, admitted, admitted + free)
                state, admitted = state.join(fresh), admitted + free
            if len(state.age) == 0:
                return out
            self._advance(state, terms, stop)

    def _admit(self, problem: Problem, terms: _Terms, start: int, end: int) -> _State:
        operator = self.operator
        lower = operator.pack_output(problem.box.lower[start:end], -torch.inf)
        upper = operator.pack_output(problem.box.upper[start:end], torch.inf)
        count, device = end - start, lower.device
        gradient = Box(lower, upper).gradient(torch.zeros_like(lower))
        ridge = self.r * operator.adjoint(self.inverse(gradient))
        size = per_image(ridge.square()).div(ridge[0].numel()).sqrt()
        alpha = terms.scale
        mu = torch.where(size > 0, self.scale * size, 1.0) / alpha
        mu = _rounded(mu).reshape(-1, 1, 1, 1)
        return _State(
            index=torch.arange(start, end, device=device),
            age=torch.zeros(count, dtype=torch.int64, device=device),
            d=torch.zeros_like(ridge),
            u=torch.zeros_like(lower),
            lower=lower / mu,
            upper=upper / mu,
            mu=mu,
            multiplier=gradient / self.r,
            count=torch.ones_like(mu),
            dual=torch.zeros(count, dtype=torch.float64, device=device),
            stored=torch.zeros(count, dtype=torch.bool, device=device),
            due=torch.zeros(count, dtype=torch.int64, device=device),
        )

    def _advance(self, state: _State, terms: _Terms, stop: Stop) -> None:
        steps = min(stop.check_every, stop.max_iterations - int(state.age.max()))
        state.multiplier = torch.zeros_like(state.u)
        if self.certify:
            self._iterate(state, terms, steps - 1)
            self._balance(state, terms)
        else:
            self._iterate(state, terms, steps)
        state.age += steps
        state.count = torch.full_like(state.mu, steps)

    def _iterate(self, state: _State, terms: _Terms, steps: int) -> None:
        operator, flat = self.operator, self.operator.inputs.width
        fraction = state.mu / (self.r + state.mu)
        d, u, multiplier = state.d, state.u, state.multiplier
        clipped, point = torch.empty_like(d), torch.empty_like(d)
        box = Box(state.lower, state.upper)
        for _ in range(steps):
            terms.complement(d, state.mu, clipped)
            pull = box.gradient(u).mul_(fraction)
            multiplier.add_(pull)
            torch.add(d, clipped, alpha=-2.0, out=point)
            target = torch.sub(u, pull, alpha=2.0).sub_(operator.apply(point))
            w = self.inverse(target)
            d.lerp_(point, RELAXATION / 2)
            self._add_product(d.view(-1, flat), operator.columns(w))
            u.sub_(pull.add_(w), alpha=RELAXATION)

    def _add_product(self, rows: Tensor, columns: Tensor) -> None:
        """rows += r RELAXATION columns W^T, image by image where `multiply` does so too."""
        matrix, weight = self.adjoint_matrix, self.r * RELAXATION
        per_image = self.operator.inputs.torus[0] * self.operator.inputs.torus[1]
        step = rows.shape[0] if is_uniform(rows, per_image) else per_image
        for start in range(0, rows.shape[0], step):
            part = slice(start, start + step)
            rows[part].addmm_(columns[part], matrix, alpha=weight)

    def _balance(self, state: _State, terms: _Terms) -> None:
        """One more iteration, measured, to weigh primal against dual progress.

        mu is multiplied by the root of dual over primal relative residual, as in OSQP
        (Stellato et al., 2020), at ages that double, so that the penalty settles.
        """
        old_d, old_u = state.d.clone(), state.u.clone()
        old_x, old_y = self._prox(state, terms)
        self._iterate(state, terms, 1)
        x, y = self._prox(state, terms)
        r = self.r
        primal = _weighted(state.d - old_d, state.u - old_u, r) / RELAXATION
        dual = _weighted(x - old_x, y - old_y, r)
        size = _weighted(x, y, r)
        multiplier = _weighted(state.d - x, state.u - y, r)
        factor = ((dual * size) / (primal * multiplier).clamp_min(1e-300)).sqrt()
        usable = torch.isfinite(factor) & (factor > 0)
        factor = torch.where(usable, factor.clamp(1 / STEP_LIMIT, STEP_LIMIT), 1.0)
        due = state.age >= state.due
        factor = torch.where(due, _rounded(factor), 1.0)
        state.due = torch.where(due, (state.age + 1) * BACKOFF, state.due)
        scale = factor.reshape(-1, 1, 1, 1)
        state.d.sub_(x).add_(x / scale)
        state.u.sub_(y).add_(y / scale)
        state.mu = state.mu * scale
        state.lower, state.upper = state.lower / scale, state.upper / scale

    def _prox(self, state: _State, terms: _Terms) -> tuple[Tensor, Tensor]:
        clipped = torch.empty_like(state.d)
        terms.complement(state.d, state.mu, clipped)
        pull = Box(state.lower, state.upper).gradient(state.u)
        return state.d - clipped, state.u - pull * (state.mu / (self.r + state.mu))

    def _check(self, state: _State, terms: _Terms, stop: Stop, out: Solution) -> Tensor:
        """Certify all slots, store the finished ones and say which they are."""
        operator = self.operator
        clipped = torch.empty_like(state.d)
        terms.complement(state.d, state.mu, clipped)
        d = torch.sub(state.d, clipped).mul_(state.mu)
        box = Box(state.lower * state.mu, state.upper * state.mu)
        objective = box.value(operator.apply(d)) + terms.l1.value(d)
        v = state.multiplier * (state.mu * self.r / state.count / state.mu)
        value = dual_value(box, terms.l1, v, terms.inside(operator.adjoint(v)))
        state.dual = torch.maximum(state.dual, value)
        outputs = operator.unpack_output(box.lower[:1]).numel()
        gap = relative_gap(objective, state.dual, outputs)
        finished = (gap <= stop.tolerance) | (state.age >= stop.max_iterations)
        new = finished & ~state.stored
        state.stored = finished | state.stored
        rows = state.index[new]
        out.d[rows] = operator.unpack_input(d[new])
        out.iterations[rows] = state.age[new]
        out.gap[rows], out.objective[rows] = gap[new], objective[new]
        return state.stored


def _weighted(d: Tensor, u: Tensor, r: float) -> Tensor:
    """Norm per image in the metric of the splitting, float64."""
    return (per_image(d.square()) + r * per_image(u.square())).sqrt()


def _rounded(factor: Tensor) -> Tensor:
    """To a power of sqrt 2, so that the last bits of a sum do not change a penalty."""
    return torch.exp2(torch.round(2 * torch.log2(factor.double())) / 2).float()


class _Terms:
    """The l1 term in packed layout, with d held at zero outside the layer's input."""

    def __init__(self, operator: BlockOperator, l1: L1) -> None:
        grid, device = operator.inputs, operator.matrix.device
        ones = torch.ones(1, *operator.input_shape, device=device)
        weight = l1.weight.expand(ones.shape) if l1.weight.dim() else l1.weight
        self.scale = float(weight.mean())
        self.uniform = l1.weight.dim() == 0 and grid.whole_blocks
        floor = None if l1.floor is None else operator.pack_input(l1.floor.expand(ones.shape))
        self.support = operator.pack_input(ones)
        packed = weight if self.uniform else operator.pack_input(weight * ones)
        self.bound = torch.where(self.support > 0, packed, torch.inf)
        self.l1 = L1(weight if self.uniform else torch.where(self.support > 0, packed, 1.0), floor)
        self.margins = grid.margins() if self.uniform else []

    def complement(self, d: Tensor, mu: Tensor, out: Tensor) -> None:
        """Write d - prox(d), both divided by mu, into `out`."""
        if self.uniform:
            torch.clamp(d, -self.scale, self.scale, out=out)
            for rows, columns in self.margins:
                out[:, rows, columns] = d[:, rows, columns]
        else:
            torch.clamp(d, -self.bound, self.bound, out=out)
        if self.l1.floor is not None:
            torch.minimum(out, d - self.l1.floor / mu, out=out)

    def inside(self, q: Tensor) -> Tensor:
        """q with zeros outside the layer's input."""
        return q * self.support
