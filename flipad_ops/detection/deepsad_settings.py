"""Settings of DeepSAD's training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from flipad_ops.common.errors import UsageError


@dataclass(frozen=True)
class DeepSadSettings:
    """Training settings; the defaults are the paper's but for the shorter schedule.

    Parameters
    ----------
    dim : int
        Embedding size (paper: 128; 32 for tables).
    eta : float
        Weight of labelled foreign samples.
    epochs, batch_size, learning_rate, weight_decay
        Adam; the rate falls tenfold at each of `milestones` (fractions of the epochs).
    """

    dim: int = 128
    eta: float = 1.0
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 5e-7
    milestones: tuple[float, ...] = (0.6, 0.85)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.dim < 1:
            raise UsageError("DeepSAD needs epochs >= 1, batch_size >= 2 and dim >= 1.")
        if not (self.learning_rate > 0 and self.eta > 0 and self.weight_decay >= 0):
            raise UsageError("DeepSAD needs positive learning_rate and eta, weight_decay >= 0.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "milestones": list(self.milestones)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> DeepSadSettings:
        """Inverse of `to_dict`; absent fields keep their default, an unknown one is refused."""
        unknown = sorted(set(fields) - set(cls.__dataclass_fields__))
        if unknown:
            raise UsageError(f"Unknown detector setting {unknown[0]!r}.")
        if "milestones" in fields:
            fields = {**fields, "milestones": tuple(fields["milestones"])}
        return cls(**fields)
