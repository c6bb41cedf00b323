"""Images and the activations recovered from them, which are too many to be held at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

#: Activations read at once: so many bytes, and at most so many images.
CHUNK_BYTES, CHUNK = 2**24, 64


class Activations(Protocol):
    """Where activations lie: a Tensor (count, *activation_shape), or what reads like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(count, *activation_shape)"""
        ...

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Those of int64 rows (n,), float32 (n, *activation_shape)."""
        ...


def chunk_size(shape: tuple[int, ...]) -> int:
    """How many activations of `shape` are handled at once."""
    return max(1, min(CHUNK, CHUNK_BYTES // (4 * torch.Size(shape).numel())))


@dataclass(frozen=True, eq=False)
class Recovered:
    """Some rows of images and activations.

    Parameters
    ----------
    images : Tensor, float32, (count, *sample_shape) in [0, 1]
    activations : Activations, (count, *activation_shape)
    rows : Tensor, int64, (n,)
        Which of both these are.
    """

    images: Tensor
    activations: Activations
    rows: Tensor

    @classmethod
    def held(cls, activations: Tensor, images: Tensor) -> Recovered:
        """All rows of tensors, (n, *activation_shape) and (n, *sample_shape)."""
        return cls(images, activations, torch.arange(len(images)))

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: Tensor | slice) -> Recovered:
        """Those at indices (k,), int64, or where a mask (n,) holds."""
        return Recovered(self.images, self.activations, self.rows[rows])

    @property
    def pixels(self) -> Tensor:
        """(n, *sample_shape)"""
        return self.images[self.rows]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one activation."""
        return tuple(self.activations.shape[1:])

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(k, *activation_shape) and (k, *sample_shape), a few at a time."""
        for rows in torch.split(self.rows, chunk_size(self.shape)):
            yield self.activations[rows], self.images[rows]

    @cached_property
    def mean(self) -> Tensor:
        """Mean activation, float32, summed up in float64."""
        total = torch.zeros(self.shape, dtype=torch.float64)
        for activations, _ in self.chunks():
            total += activations.sum(dim=0, dtype=torch.float64)
        return (total / len(self)).float()
