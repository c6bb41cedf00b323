"""The fast solver: Douglas-Rachford splitting on the graph {(d, u): u = W d}.

Graph-form ADMM (Parikh and Boyd, 2014) written with one state per block. In the metric
`||d||^2 / mu + r ||u||^2 / mu` the projection onto the graph is, by the matrix inversion
lemma, `w = (I + r W W^T)^-1 (b - W a)`, `d = a + r W^T w`, `u = b - w`: one W, one W^T and
one small solve in output space (`operators.spectrum`). States are kept divided by mu, so
the soft threshold is alpha for every image and mu only scales the image's box.

Iterates circle the optimum, so the mean of those since the last check is nearer to it than any
single one: it is the answer, and the mean multiplier is the dual point. That one is made
feasible by shrinking it only around the blocks where it is not (`PackedTerms.feasible`). The
longer an image takes, the longer its arc, and the rarer its checks (`iterates.interval`).
Every operation treats images independently, and finished images make room for waiting ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.certificate import dual_value, relative_gap
from flipad_ops.inversion.operators.operator import LinearOperator
from flipad_ops.inversion.operators.polyphase import BlockOperator, block_operator, block_size
from flipad_ops.inversion.operators.products import SMALL_TORUS, is_uniform
from flipad_ops.inversion.operators.spectrum import Spectrum, is_affordable
from flipad_ops.inversion.solvers.iterates import State, fresh, rounded, weighted
from flipad_ops.inversion.solvers.packed import PackedTerms
from flipad_ops.inversion.solvers.solver import Problem, Solution, Stop, join
from flipad_ops.inversion.terms import Box, per_image

#: r times ||W||^2 (how strongly the projection weighs outputs against activations) and the first
#: mu as a multiple of the size of a ridge solution over alpha: for the certificate, with mu
#: rebalanced, and for the objective alone, with mu kept (benchmarks/results/inversion.md).
CERTIFY, DESCEND = (30.0, 4.0), (160.0, 3.0)
#: Over-relaxation, in (0, 2).
RELAXATION = 1.85
#: mu changes by at most this factor at once, and when an image's age reached BACKOFF times
#: that of its last change.
STEP_LIMIT, BACKOFF = 4.0, 2
#: Images iterated together: few enough for their states to stay in the last-level cache.
SLOTS = 8
#: Layers below SMALL_TORUS blocks are solved in groups of exactly this many images.
SMALL_SLOTS = 64
#: Bytes that the states of all slots may take together.
MEMORY = 4 * 2**30
#: Entries of the dense block matrix; grouped layers with many channels exceed it.
MAX_MATRIX = 2**25


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

    @classmethod
    def can(cls, layer: FinalLayer) -> bool:
        """Whether the layer's torus form and its inverse are small enough to build."""
        if layer.skip is not None or block_size(layer) > MAX_MATRIX:
            return False
        return is_affordable(block_operator(layer))

    @classmethod
    def of(cls, layer: FinalLayer, operator: LinearOperator) -> Splitting:
        """See `Solver`."""
        return cls(block_operator(layer), operator.device)

    def slot_bytes(self) -> int:
        """Memory per image being iterated: 12 activations, 4 products, 16 outputs.

        Four activations while iterating (d, its prox, its reflection, their sum), the others in
        a check, whose sums are taken in float64.
        """
        operator = self.operator
        blocks = operator.inputs.torus[0] * operator.inputs.torus[1]
        per_block = 12 * operator.inputs.width + 4 * operator.padded.shape[1]
        return 4 * blocks * (per_block + 16 * operator.outputs.width)

    def slots(self, count: int) -> int:
        """Images iterated at once out of `count`."""
        if self.small:
            return SMALL_SLOTS
        return max(1, min(SLOTS, count, MEMORY // self.slot_bytes()))

    def memory(self, count: int) -> int:
        """Bytes that solving `count` images takes at most, besides the solver and the problem.

        The answers, the images in flight, and half as much again while finished ones leave.
        """
        answers = 4 * count * torch.Size(self.operator.input_shape).numel()
        return answers + 3 * self.slots(count) * self.slot_bytes() // 2

    def solve(self, problem: Problem, stop: Stop) -> Solution:
        """Solve every image; the order of the batch has no influence on any of them."""
        if self.small:
            return self._solve_padded(problem, stop)
        return self._solve_queue(problem, stop, self.slots(len(problem)))

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
        terms = PackedTerms(self.operator, problem.l1)
        out = Solution(
            torch.empty(total, *self.operator.input_shape, device=device),
            torch.zeros(total, dtype=torch.int64, device=device),
            torch.zeros(total, dtype=torch.float64, device=device),
            torch.zeros(total, dtype=torch.float64, device=device),
        )
        admitted = min(slots, total)
        state = self._admit(problem, terms, slice(0, admitted))
        while True:
            finished = self._check(state, terms, stop, out)
            if self.small and not bool(finished.all()):
                state = self._advance(state, terms, stop)
                continue
            state = state.select((~finished).nonzero()[:, 0])
            free = min(slots - len(state.age), total - admitted)
            if free > 0:
                fresh = self._admit(problem, terms, slice(admitted, admitted + free))
                state, admitted = state.join(fresh), admitted + free
            if len(state.age) == 0:
                return out
            state = self._advance(state, terms, stop)

    def _admit(self, problem: Problem, terms: PackedTerms, rows: slice) -> State:
        operator = self.operator
        lower = operator.pack_output(problem.box.lower[rows], -torch.inf)
        upper = operator.pack_output(problem.box.upper[rows], torch.inf)
        gradient = Box(lower, upper).gradient(torch.zeros_like(lower))
        ridge = self.r * operator.adjoint(self.inverse(gradient))
        size = per_image(ridge.square()).div(ridge[0].numel()).sqrt()
        mu = rounded(torch.where(size > 0, self.scale * size, 1.0) / terms.scale)
        return fresh(rows, torch.zeros_like(ridge), lower, upper, mu, gradient / self.r)

    def _advance(self, state: State, terms: PackedTerms, stop: Stop) -> State:
        """Iterate until the first is to be checked."""
        state.begin(stop.check_every, stop.max_iterations)
        steps = int((state.closes - state.age).min())
        closing = state.age + steps == state.closes
        due = closing & (state.opened >= state.due)
        if self.certify and bool(due.any()):
            self._iterate(state, terms, steps - 1)
            self._balance(state, terms, due)
        else:
            self._iterate(state, terms, steps)
        state.age += steps
        state.count = (state.age - state.opened).reshape(state.mu.shape).float()
        return state

    def _iterate(self, state: State, terms: PackedTerms, steps: int) -> None:
        operator, flat = self.operator, self.operator.inputs.width
        fraction = state.mu / (self.r + state.mu)
        d, u, multiplier, total = state.d, state.u, state.multiplier, state.total
        clipped, point = torch.empty_like(d), torch.empty_like(d)
        box = Box(state.lower, state.upper)
        for _ in range(steps):
            terms.complement(d, state.mu, clipped)
            pull = box.gradient(u).mul_(fraction)
            multiplier.add_(pull)
            torch.sub(d, clipped, out=point)
            total.add_(point)
            point.sub_(clipped)
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

    def _balance(self, state: State, terms: PackedTerms, due: Tensor) -> None:
        """One more iteration, measured, to weigh primal against dual progress where `due`, (n,).

        mu is multiplied by the root of dual over primal relative residual, as in OSQP
        (Stellato et al., 2020), at ages that double, so that the penalty settles.
        """
        old_d, old_u = state.d.clone(), state.u.clone()
        old_x, old_y = self._prox(state, terms)
        self._iterate(state, terms, 1)
        x, y = self._prox(state, terms)
        r = self.r
        primal = weighted(state.d - old_d, state.u - old_u, r) / RELAXATION
        dual = weighted(x - old_x, y - old_y, r)
        size = weighted(x, y, r)
        multiplier = weighted(state.d - x, state.u - y, r)
        factor = ((dual * size) / (primal * multiplier).clamp_min(1e-300)).sqrt()
        usable = torch.isfinite(factor) & (factor > 0)
        factor = torch.where(usable, factor.clamp(1 / STEP_LIMIT, STEP_LIMIT), 1.0)
        factor = torch.where(due, rounded(factor), 1.0)
        state.due = torch.where(due, (state.opened + 1) * BACKOFF, state.due)
        scale = factor.reshape(-1, 1, 1, 1)
        state.d.sub_(x).add_(x / scale)
        state.u.sub_(y).add_(y / scale)
        state.total.div_(scale)
        state.mu = state.mu * scale
        state.lower, state.upper = state.lower / scale, state.upper / scale

    def _prox(self, state: State, terms: PackedTerms) -> tuple[Tensor, Tensor]:
        clipped = torch.empty_like(state.d)
        terms.complement(state.d, state.mu, clipped)
        pull = Box(state.lower, state.upper).gradient(state.u)
        return state.d - clipped, state.u - pull * (state.mu / (self.r + state.mu))

    def _check(self, state: State, terms: PackedTerms, stop: Stop, out: Solution) -> Tensor:
        """Certify those that are to be checked, store the finished ones and say which they are."""
        checked = state.age == state.closes
        if bool(checked.all()):
            self._certify(state, terms, stop, out)
        else:
            rows = checked.nonzero()[:, 0]
            some = state.select(rows)
            self._certify(some, terms, stop, out)
            state.dual[rows], state.stored[rows] = some.dual, some.stored
        return state.stored

    def _certify(self, state: State, terms: PackedTerms, stop: Stop, out: Solution) -> None:
        operator = self.operator
        d = state.total * (state.mu / state.count)
        box = Box(state.lower * state.mu, state.upper * state.mu)
        objective = box.value(operator.apply(d)) + terms.l1.value(d)
        v = state.multiplier * (self.r / state.count)
        v, adjoint = terms.feasible(v)
        value = dual_value(box, terms.l1, v, adjoint)
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


class Descent(Splitting):
    """The same with penalties for the objective instead of the gap."""

    @classmethod
    def of(cls, layer: FinalLayer, operator: LinearOperator) -> Descent:
        """See `Solver`."""
        return cls(block_operator(layer), operator.device, certify=False)
