"""Endings that are linear but not last: folded into the last layer, and verified by the numbers.

What stands between the last convolution and the image (or its activation) is often linear and
fixed: a pixel shuffle, a nearest enlargement, a flip, BGR, an affine map by channel (batch norm,
ImageNet's mean and deviation), the enlarged input added (residual upscalers). A convolution and
what follows it are one transposed convolution, so everything behind the split stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.generators.layer import FinalLayer


@dataclass(frozen=True)
class Ending:
    """What follows the last layer, and how its input becomes the folded layer's.

    Parameters
    ----------
    grid : (int, int) or None
        A linear layer ran once a patch: rows and columns of patches.
    kept : int or None
        So many of the layer's channels are used, the first ones.
    factor : int
        How much larger a side of the image is than the layer's output.
    shuffled : {"", "torch", "tensorflow"}
        Channels become places, the image's channel being the slowest or the fastest of them; "" for
        nearest enlargement.
    residual : bool
        The generator's own input, enlarged, is added.
    flips : tuple of int
        Axes of (batch, channels, height, width) that are reversed.
    reversed_channels : bool
        BGR.
    affine : tuple of ((float, ...), (float, ...)) or None
        Scale and shift by channel, before the activation.
    """

    grid: tuple[int, int] | None = None
    kept: int | None = None
    factor: int = 1
    shuffled: str = ""
    residual: bool = False
    flips: tuple[int, ...] = ()
    reversed_channels: bool = False
    affine: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def __call__(self, inputs: Tensor, latents: Tensor) -> Tensor:
        """Inputs of the last layer (batch, *shape) to those of the folded one."""
        inputs = self.placed(inputs, len(latents))
        if self.residual:
            small = latents.float().cpu()
            inputs = torch.cat([inputs, enlarged(small, inputs.shape[2] // small.shape[2])], dim=1)
        return inputs.flip(self.flips) if self.flips else inputs

    def placed(self, values: Tensor, count: int) -> Tensor:
        """Values by patch as (count, channels, *grid); any others as they are."""
        if self.grid is None:
            return values
        return values.reshape(count, *self.grid, values.shape[-1]).permute(0, 3, 1, 2)

    def apply(self, linear: Tensor, latents: Tensor) -> Tensor:
        """The layer's outputs to images (batch, channels, height, width) before the activation."""
        linear = self.placed(linear, len(latents))[:, : self.kept]
        if self.shuffled:
            if self.shuffled == "tensorflow":
                linear = _torch_order(linear, self.factor, dim=1)
            linear = F.pixel_shuffle(linear, self.factor)
        else:
            linear = enlarged(linear, self.factor)
        if self.residual:
            linear = linear + enlarged(latents.to(linear), linear.shape[2] // latents.shape[2])
        linear = linear.flip(self.flips) if self.flips else linear
        linear = linear.flip(1) if self.reversed_channels else linear
        if self.affine is not None:
            scale, shift = (linear.new_tensor(each)[:, None, None] for each in self.affine)
            linear = linear * scale + shift
        return linear

    def fold(self, layer: FinalLayer, shape: tuple[int, ...]) -> FinalLayer:
        """The layer with the ending in it, to images of `shape`."""
        if self.grid is not None:
            layer = replace(
                layer, kind="conv2d", weight=layer.weight[:, :, None, None],
                input_shape=(layer.weight.shape[1], *self.grid),
                output_shape=(layer.weight.shape[0], *self.grid),
            )  # fmt: skip
        transposed = layer.kind == "conv_transpose2d"
        weight, bias = layer.weight.transpose(0, 1) if transposed else layer.weight, layer.bias
        weight, bias = weight[: self.kept], None if bias is None else bias[: self.kept]
        if self.residual:
            weight = torch.cat([weight, self._identity(weight, shape[0])], dim=1)
        whole = (
            None
            if bias is None
            else bias[None, :, None, None].expand(1, -1, *layer.output_shape[1:])
        )
        fields: dict[str, Any] = {}
        if self.factor > 1:
            weight, fields = self._spread(weight, layer, shape[0])
            transposed = True
        weight = weight.flip(self.flips) if self.flips else weight
        if whole is not None:
            rest = Ending(factor=self.factor, shuffled=self.shuffled, flips=self.flips)
            whole = rest.apply(whole, whole)[0]
        if self.reversed_channels:
            weight = weight.flip(0)
            whole = None if whole is None else whole.flip(0)
        if self.affine is not None:
            scale, shift = (weight.new_tensor(each) for each in self.affine)
            weight = weight * scale[:, None, None, None]
            moved = shift[:, None, None]
            whole = moved.expand(shape) if whole is None else whole * scale[:, None, None] + moved
        return replace(
            layer,
            weight=(weight.transpose(0, 1) if transposed else weight).contiguous(),
            bias=None if whole is None else _smallest(whole),
            input_shape=(weight.shape[1], *layer.input_shape[1:]),
            output_shape=shape,
            **fields,
        )

    def _spread(
        self, weight: Tensor, layer: FinalLayer, channels: int
    ) -> tuple[Tensor, dict[str, Any]]:
        """Weights (out, in, rows, columns) of a convolution of stride 1 and an enlargement as those
        of one transposed convolution, with its geometry."""
        r, (_, inside, rows, columns) = self.factor, weight.shape
        if not self.shuffled:
            weight = weight.repeat_interleave(r * r, dim=0)
        elif self.shuffled == "tensorflow":
            weight = _torch_order(weight, r, dim=0)
        spread = weight.flip(2, 3).reshape(channels, r, r, inside, rows, columns)
        spread = spread.permute(0, 3, 4, 1, 5, 2).reshape(channels, inside, rows * r, columns * r)
        padding = tuple(
            r * (size - 1 - before)
            for size, before in zip((rows, columns), layer.padding, strict=True)
        )
        return spread, {"kind": "conv_transpose2d", "stride": (r, r), "padding": padding}

    def _identity(self, weight: Tensor, channels: int) -> Tensor:
        """Weights that put each of `channels` inputs on all outputs that become it."""
        extra = weight.new_zeros(weight.shape[0], channels, *weight.shape[2:])
        middle = [size // 2 for size in weight.shape[2:]]
        for row in range(weight.shape[0]):
            per = weight.shape[0] // channels
            of = row % channels if self.shuffled == "tensorflow" else row // per
            extra[row, of, middle[0], middle[1]] = 1.0
        return extra

    def __str__(self) -> str:
        parts = []
        if self.grid is not None:
            parts.append("patches put in order")
        elif self.kept is not None:
            parts.append(f"the first {self.kept} channels")
        elif self.shuffled:
            parts.append(f"pixel shuffle by {self.factor}")
        elif self.factor > 1:
            parts.append(f"every pixel repeated {self.factor} times a side")
        if self.residual:
            parts.append("the enlarged input added")
        if self.flips:
            sides = {2: "upside down", 3: "left to right"}
            parts.append("turned " + " and ".join(sides[axis] for axis in self.flips))
        if self.reversed_channels:
            parts.append("channels reversed (BGR)")
        if self.affine is not None:
            parts.append("scaled and shifted by channel")
        return ", ".join(parts)


def enlarged(values: Tensor, factor: int) -> Tensor:
    """(batch, channels, height, width), every pixel `factor` times along each side."""
    if factor == 1:
        return values
    return values.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def _torch_order(values: Tensor, factor: int, dim: int) -> Tensor:
    """Channels ordered by place, then by the image's channel, as torch's pixel shuffle has them."""
    shape = values.shape
    split = values.reshape(*shape[:dim], factor**2, -1, *shape[dim + 1 :])
    return split.transpose(dim, dim + 1).reshape(shape)


def _smallest(bias: Tensor) -> Tensor:
    """A bias (channels, height, width) by channel, where it is one."""
    first = bias[:, :1, :1]
    return (first.flatten() if bool((bias == first).all()) else bias).clone()
