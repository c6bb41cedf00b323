"""What an inversion returns, one entry per image."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class InversionResult:
    """Inverted activations and their certificates.

    Parameters
    ----------
    z : Tensor, float32, (batch, *input_shape)
        Activation before the final layer, anchor included.
    iterations : Tensor, int64, (batch,)
    gap : Tensor, float64, (batch,)
        Duality gap over the objective; an upper bound of the relative suboptimality.
    objective : Tensor, float64, (batch,)
        `f(W d + c) + alpha ||d||_1` at the returned z.
    converged : Tensor, bool, (batch,)
        Whether `gap` reached the tolerance within the iteration limit.
    residual : Tensor, float32, (batch, *output_shape)
        Gradient of the data term: signed distance of W z + b to its target.
    """

    z: Tensor
    iterations: Tensor
    gap: Tensor
    objective: Tensor
    converged: Tensor
    residual: Tensor

    def __len__(self) -> int:
        return self.z.shape[0]

    def select(self, rows: Tensor) -> InversionResult:
        """The results of some images, by their indices (k,) int64."""
        return InversionResult(
            **{f.name: getattr(self, f.name)[rows.to(self.z.device)] for f in fields(self)}
        )


def concatenate(parts: list[InversionResult]) -> InversionResult:
    """Join results of consecutive batches."""
    return InversionResult(
        **{
            field.name: torch.cat([getattr(part, field.name) for part in parts])
            for field in fields(InversionResult)
        }
    )
