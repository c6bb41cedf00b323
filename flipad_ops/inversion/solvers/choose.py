"""Which solver a layer gets."""

from __future__ import annotations

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators.operator import LinearOperator
from flipad_ops.inversion.solvers.fista import Fista
from flipad_ops.inversion.solvers.solver import Solver
from flipad_ops.inversion.solvers.splitting import Descent, Splitting

#: By name in settings; "auto" is the first that can.
SOLVERS: dict[str, type[Solver]] = {"fast": Splitting, "descent": Descent, "fista": Fista}
NAMES = ("auto", *SOLVERS)


def make_solver(layer: FinalLayer, operator: LinearOperator, name: str = "auto") -> Solver:
    """The solver called `name`.

    Raises
    ------
    UsageError
        It cannot solve for this layer.
    """
    able = {known: kind for known, kind in SOLVERS.items() if kind.can(layer)}
    if name == "auto":
        return next(iter(able.values())).of(layer, operator)
    if name not in able:
        raise UsageError(
            f"The solver {name} cannot invert this final layer (no fast inverse of it, or a skip "
            f"image): use {', '.join(able)} or auto."
        )
    return able[name].of(layer, operator)
