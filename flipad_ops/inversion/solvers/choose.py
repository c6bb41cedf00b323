"""Which solver a layer gets."""

from __future__ import annotations

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.inversion_settings import SolverName
from flipad_ops.inversion.operators.layer_operator import LayerOperator
from flipad_ops.inversion.operators.polyphase import block_operator, block_size
from flipad_ops.inversion.operators.spectrum import is_affordable
from flipad_ops.inversion.solvers.fista import Fista
from flipad_ops.inversion.solvers.solver import Solver
from flipad_ops.inversion.solvers.splitting import Splitting

#: Entries of the dense block matrix; grouped layers with many channels exceed it.
MAX_MATRIX = 2**25


def has_fast_solver(layer: FinalLayer) -> bool:
    """Whether the layer's torus form and its inverse are small enough to build."""
    return block_size(layer) <= MAX_MATRIX and is_affordable(block_operator(layer))


def make_solver(layer: FinalLayer, operator: LayerOperator, name: SolverName = "auto") -> Solver:
    """The solver called `name`; "auto" is the fast one where it applies, else FISTA.

    Raises
    ------
    UsageError
        "fast" or "descent" for a layer without a fast inverse.
    """
    if name != "fista" and has_fast_solver(layer):
        return Splitting(block_operator(layer), operator.device, certify=name != "descent")
    if name in ("fast", "descent"):
        raise UsageError("This final layer has no fast inverse; use the fista solver or auto.")
    return Fista(operator)
