"""The final layer as a block convolution on a torus, where W W^T is circulant.

A stride-s ConvTranspose2d maps every input position to an s x s block of outputs (its
polyphase components), a stride-s Conv2d every s x s block of inputs to one output. Seen in
blocks both are plain convolutions with few offsets a, `y[I] = sum_a M_a z[I - sign a]`, and
on a torus with room for the overhang they do not wrap. Rows of z outside the layer's input
are held at zero and rows of u outside its output are left free by the solver, so the torus
problem equals the layer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators.grid import Grid
from flipad_ops.inversion.operators.products import ALIGNMENT, multiply


@dataclass(frozen=True, eq=False)
class BlockOperator:
    """W between packed activations and packed outputs.

    Parameters
    ----------
    inputs, outputs : Grid
        Same torus.
    offsets : pair of tuples of int
        Block offsets a of the kernel along rows and along columns.
    sign : int
        +1 when outputs lie at I + a, -1 when they lie at I - a.
    matrix : Tensor, (inputs.width, len(rows) * len(columns) * outputs.width)
        All M_a side by side.
    input_shape, output_shape : tuple of int
        The layer's own shapes.
    """

    inputs: Grid
    outputs: Grid
    offsets: tuple[tuple[int, ...], tuple[int, ...]]
    sign: int
    matrix: Tensor
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    @cached_property
    def padded(self) -> Tensor:
        """`matrix` with zero columns up to a multiple of ALIGNMENT."""
        return F.pad(self.matrix, (0, -self.matrix.shape[1] % ALIGNMENT)).contiguous()

    @property
    def pointwise(self) -> bool:
        """Whether blocks do not interact, as in a 1x1 convolution or a Linear layer."""
        return self.offsets == ((0,), (0,))

    def pack_input(self, z: Tensor) -> Tensor:
        """(batch, *input_shape) to blocks, zero outside."""
        return self.inputs.pack(self._as_image(z, self.inputs), 0.0)

    def unpack_input(self, blocks: Tensor) -> Tensor:
        """Blocks to (batch, *input_shape)."""
        return self.inputs.unpack(blocks).reshape(-1, *self.input_shape)

    def pack_output(self, u: Tensor, fill: float) -> Tensor:
        """(batch, *output_shape) to blocks."""
        return self.outputs.pack(self._as_image(u, self.outputs), fill)

    def unpack_output(self, blocks: Tensor) -> Tensor:
        """Blocks to (batch, *output_shape)."""
        image = self.outputs.unpack(blocks)
        if len(self.output_shape) == 3:
            return image
        return image.permute(0, 2, 3, 1).reshape(-1, *self.output_shape)

    def apply(self, blocks: Tensor) -> Tensor:
        """W on the torus: multiply, then add the shifted products (separably)."""
        rows, columns = self.offsets
        batch, (height, width) = blocks.shape[0], self.inputs.torus
        product = multiply(blocks.reshape(-1, self.inputs.width), self.padded, height * width)
        product = product[:, : self.matrix.shape[1]].reshape(
            batch, height, width, len(rows), len(columns), -1
        )
        across = _sum_rolled([product[..., j, :] for j in range(len(columns))],
                             [self.sign * a for a in columns], 2)  # fmt: skip
        return _sum_rolled([across[..., i, :] for i in range(len(rows))],
                           [self.sign * a for a in rows], 1)  # fmt: skip

    def spread(self, levels: Tensor) -> Tensor:
        """Per output block the largest level of the input blocks that reach it.

        Parameters
        ----------
        levels : Tensor, (batch, *torus)
        """
        for dim, offsets in ((1, self.offsets[0]), (2, self.offsets[1])):
            rolled = [_roll(levels, self.sign * a, dim) for a in offsets]
            levels = torch.stack(rolled).amax(0) if len(rolled) > 1 else rolled[0]
        return levels

    def columns(self, blocks: Tensor) -> Tensor:
        """The gathered outputs with which W^T is one product; (batch * torus, columns)."""
        rows, across = self.offsets
        if not self.pointwise:
            wide = [_roll(blocks, -self.sign * a, 2) for a in across]
            blocks = torch.stack(wide, 3) if len(wide) > 1 else wide[0].unsqueeze(3)
            blocks = torch.stack([_roll(blocks, -self.sign * a, 1) for a in rows], 3)
        return blocks.reshape(-1, self.matrix.shape[1])

    def adjoint(self, blocks: Tensor) -> Tensor:
        """W^T on the torus."""
        flat = self.columns(blocks) @ self.matrix.T
        return flat.view(-1, *self.inputs.torus, self.inputs.width)

    def to(self, device: str | torch.device, dtype: torch.dtype) -> BlockOperator:
        """The same operator elsewhere or in another precision."""
        return replace(self, matrix=self.matrix.to(device, dtype))

    @staticmethod
    def _as_image(values: Tensor, grid: Grid) -> Tensor:
        if values.dim() == 4 and values.shape[1:] == (grid.channels, *grid.size):
            return values
        return values.reshape(-1, *grid.size, grid.channels).permute(0, 3, 1, 2)


def block_operator(layer: FinalLayer) -> BlockOperator:
    """The torus form of a layer, float32 on the CPU."""
    if layer.kind == "linear":
        return _linear(layer)
    weight = _ungrouped(layer)
    transposed = layer.kind == "conv_transpose2d"
    fine = layer.output_shape if transposed else layer.input_shape
    coarse = layer.input_shape if transposed else layer.output_shape
    reach = [(k - 1) * d for k, d in zip(weight.shape[2:], layer.dilation, strict=True)]
    torus = tuple(
        max(small + r // s, -(-(p + large) // s))
        for small, large, r, s, p in zip(
            coarse[1:], fine[1:], reach, layer.stride, layer.padding, strict=True
        )
    )
    offsets, phases = zip(*(_split(k, d, s) for k, d, s in zip(
        weight.shape[2:], layer.dilation, layer.stride, strict=True)), strict=True)  # fmt: skip
    # Axes: coarse channel, row offset, column offset, row phase, column phase, fine channel.
    count = [len(o) for o in offsets]
    kernel = weight.new_zeros(weight.shape[0], *count, *layer.stride, weight.shape[1])
    for i, (a, r) in enumerate(phases[0]):
        for j, (b, c) in enumerate(phases[1]):
            kernel[:, offsets[0].index(a), offsets[1].index(b), r, c] = weight[:, :, i, j]
    fine_grid = Grid(fine[0], _pair(fine[1:]), layer.stride, layer.padding, _pair(torus))
    coarse_grid = Grid(coarse[0], _pair(coarse[1:]), (1, 1), (0, 0), _pair(torus))
    if transposed:
        matrix = kernel.reshape(coarse[0], -1)
        inputs, outputs = coarse_grid, fine_grid
    else:
        matrix = kernel.permute(3, 4, 5, 1, 2, 0).reshape(fine_grid.width, -1)
        inputs, outputs = fine_grid, coarse_grid
    return BlockOperator(inputs, outputs, (offsets[0], offsets[1]), 1 if transposed else -1,
                         matrix.contiguous(), layer.input_shape, layer.output_shape)  # fmt: skip


def _linear(layer: FinalLayer) -> BlockOperator:
    rows = 1
    for size in layer.input_shape[:-1]:
        rows *= size
    inputs, outputs = (
        Grid(shape[-1], (rows, 1), (1, 1), (0, 0), (rows, 1))
        for shape in (layer.input_shape, layer.output_shape)
    )
    return BlockOperator(inputs, outputs, ((0,), (0,)), 1, layer.weight.T.contiguous(),
                         layer.input_shape, layer.output_shape)  # fmt: skip


def _ungrouped(layer: FinalLayer) -> Tensor:
    """Weight as (coarse channels, fine channels, kh, kw) without groups."""
    weight, groups = layer.weight, layer.groups
    if groups == 1:
        return weight
    per_first, per_second = weight.shape[0] // groups, weight.shape[1]
    full = weight.new_zeros(weight.shape[0], per_second * groups, *weight.shape[2:])
    for g in range(groups):
        first = slice(g * per_first, (g + 1) * per_first)
        full[first, g * per_second : (g + 1) * per_second] = weight[first]
    return full


def _split(
    kernel: int, dilation: int, stride: int
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Block offset and phase of every kernel tap, and the offsets in use."""
    taps = [divmod(k * dilation, stride) for k in range(kernel)]
    return tuple(sorted({a for a, _ in taps})), taps


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return (values[0], values[1])


def _roll(values: Tensor, shift: int, dim: int) -> Tensor:
    return values if shift == 0 else torch.roll(values, shift, dim)


def _sum_rolled(parts: list[Tensor], shifts: list[int], dim: int) -> Tensor:
    total = _roll(parts[0], shifts[0], dim)
    for part, shift in zip(parts[1:], shifts[1:], strict=True):
        total = total + _roll(part, shift, dim)
    return total


def block_size(layer: FinalLayer) -> int:
    """Entries of the matrix that `block_operator` would build."""
    if layer.kind == "linear":
        return layer.weight.numel()
    area = 1
    for kernel, dilation, stride in zip(
        layer.weight.shape[2:], layer.dilation, layer.stride, strict=True
    ):
        area *= len(_split(kernel, dilation, stride)[0]) * stride
    return area * layer.input_shape[0] * layer.output_shape[0]
