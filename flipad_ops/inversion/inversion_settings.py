"""Settings of the final-layer inversion."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from flipad_ops.common.errors import UsageError

DataTerm = Literal["box", "point"]


@dataclass(frozen=True)
class InversionSettings:
    """How `min_d f(W d + c) + alpha ||d||_1` is posed and solved (FLIPAD, section 4.1).

    Parameters
    ----------
    alpha : float
        Weight of the l1 norm, positive.
    data_term : {"box", "point"}
        "box": half the squared distance to the quantisation cell of each pixel;
        "point": half the squared distance to the paper's clipped target.
    solver : {"auto", "fast", "descent", "fista"}
        "fast" needs a layer with a fast inverse of `I + r W W^T`; "descent" is the same with
        penalties for the objective instead of the gap; "auto" falls back from fast to FISTA.
    max_iterations : int
        An image that needs more is returned with `converged` False.
    tolerance : float
        Relative duality gap at which an image is finished.
    check_every : int
        Iterations between two evaluations of the gap.
    nonnegative : bool
        Constrain z >= 0, valid where the features end in a ReLU.
    """

    alpha: float = 1e-2
    data_term: DataTerm = "box"
    solver: str = "auto"
    max_iterations: int = 2000
    tolerance: float = 3e-2
    check_every: int = 10
    nonnegative: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise UsageError(f"alpha must be positive and finite, not {self.alpha}.")
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise UsageError(f"tolerance must be zero or more, not {self.tolerance}.")
        for name in ("max_iterations", "check_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.data_term not in get_args(DataTerm):
            raise UsageError(f"data_term must be box or point, not {self.data_term!r}.")
        if self.solver != "auto":
            self._check_solver()

    def _check_solver(self) -> None:
        from flipad_ops.inversion.solvers.choose import NAMES  # with torch

        if self.solver not in NAMES:
            *others, last = NAMES
            known = f"{', '.join(others)} or {last}"
            raise UsageError(f"solver must be {known}, not {self.solver!r}.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InversionSettings:
        """Build from `to_dict()`; an unknown key is a UsageError."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"Unknown inversion setting {unknown[0]!r}.")
        return cls(**values)
