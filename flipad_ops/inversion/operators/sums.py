"""Sums of blocks, `y = W_1 z_1 + W_2 z_2 + ...`, as skip connections need."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.inversion.operators.operator import LinearOperator


class SumOperator:
    """Blocks with a common output; its input is theirs, flattened and concatenated.

    Parameters
    ----------
    blocks : sequence of LinearOperator
        At least one, all with the same output shape and device.
    """

    def __init__(self, blocks: Sequence[LinearOperator]) -> None:
        if not blocks or any(b.output_shape != blocks[0].output_shape for b in blocks):
            raise UsageError("The blocks of a sum must share one output shape.")
        self.blocks = list(blocks)
        self.sizes = [torch.Size(block.input_shape).numel() for block in self.blocks]
        self.output_shape, self.device = blocks[0].output_shape, blocks[0].device

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(entries of all blocks,)."""
        return (sum(self.sizes),)

    def split(self, z: Tensor) -> list[Tensor]:
        """(batch, entries) to one (batch, *block.input_shape) per block."""
        parts = torch.split(z, self.sizes, dim=1)
        return [
            part.reshape(-1, *block.input_shape)
            for part, block in zip(parts, self.blocks, strict=True)
        ]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Inverse of `split`."""
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def apply(self, z: Tensor) -> Tensor:
        """W_1 z_1 + W_2 z_2 + ..."""
        first, *others = zip(self.blocks, self.split(z), strict=True)
        total = first[0].apply(first[1])
        for block, part in others:
            total = total + block.apply(part)
        return total

    def adjoint(self, u: Tensor) -> Tensor:
        """All W_i^T u, joined."""
        return self.join([block.adjoint(u) for block in self.blocks])
