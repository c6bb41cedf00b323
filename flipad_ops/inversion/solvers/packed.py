"""The l1 term on the torus."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.inversion.operators.polyphase import BlockOperator
from flipad_ops.inversion.terms import L1

#: Rounds of shrinking a dual point where it is infeasible; a third gains under 1%.
SHRINKS = 2


class PackedTerms:
    """The l1 term in packed layout, with d held at zero outside the layer's input."""

    def __init__(self, operator: BlockOperator, l1: L1) -> None:
        self.operator = operator
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

    def excess(self, adjoint: Tensor) -> Tensor:
        """Largest |W^T v| / alpha per block; one-sided under a floor. (batch, *torus)."""
        size = -adjoint if self.l1.floor is not None else adjoint.abs()
        return (size / self.l1.weight).amax(-1)

    def feasible(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """v made smaller around the activations whose |W^T v| exceeds alpha, and W^T v.

        W^T is local: where v is scaled alike in a kernel's reach, so is W^T v. A uniform scale
        would pay everywhere for the worst entry.
        """
        adjoint = self.inside(self.operator.adjoint(v))
        for _ in range(SHRINKS):
            excess = self.excess(adjoint).clamp_min_(1.0)
            v = v / self.operator.spread(excess).unsqueeze(-1)
            adjoint = self.inside(self.operator.adjoint(v))
        return v, adjoint
