"""How an image lies in blocks on a torus."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Grid:
    """Where an image of `size` lies on a torus of `torus` blocks of `block` x `block`."""

    channels: int
    size: tuple[int, int]
    block: tuple[int, int]
    start: tuple[int, int]
    torus: tuple[int, int]

    @property
    def width(self) -> int:
        """Values per block."""
        return self.channels * self.block[0] * self.block[1]

    @property
    def whole_blocks(self) -> bool:
        """Whether no block is partly inside the image."""
        return all(
            start % block == 0 and size % block == 0
            for start, size, block in zip(self.start, self.size, self.block, strict=True)
        )

    def pack(self, image: Tensor, fill: float) -> Tensor:
        """(batch, channels, *size) to (batch, *torus, width), `fill` outside the image."""
        (rows, columns), (down, across) = self.torus, self.block
        top, left = self.start
        bottom, right = rows * down - top - self.size[0], columns * across - left - self.size[1]
        full = F.pad(image, (left, right, top, bottom), value=fill)
        split = full.reshape(-1, self.channels, rows, down, columns, across)
        return split.permute(0, 2, 4, 3, 5, 1).reshape(-1, rows, columns, self.width)

    def unpack(self, blocks: Tensor) -> Tensor:
        """Inverse of `pack`."""
        (rows, columns), (down, across) = self.torus, self.block
        split = blocks.reshape(-1, rows, columns, down, across, self.channels)
        full = split.permute(0, 5, 1, 3, 2, 4).reshape(
            -1, self.channels, rows * down, columns * across
        )
        top, left = self.start
        return full[..., top : top + self.size[0], left : left + self.size[1]]

    def margins(self) -> list[tuple[slice, slice]]:
        """Block slices outside the image; needs whole blocks."""
        (top, left), (rows, columns) = (
            tuple(s // b for s, b in zip(pair, self.block, strict=True))
            for pair in (self.start, self.size)
        )
        every = slice(None)
        strips = [
            (slice(0, top), every),
            (slice(top + rows, self.torus[0]), every),
            (every, slice(0, left)),
            (every, slice(left + columns, self.torus[1])),
        ]
        extent = (self.torus[0], self.torus[1])
        return [
            (a, b)
            for a, b in strips
            if len(range(extent[0])[a]) > 0 and len(range(extent[1])[b]) > 0
        ]
