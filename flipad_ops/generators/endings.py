"""Endings that are linear but not last: folded into the last layer, and verified by the numbers.

What stands between the last convolution and the image (or its activation) is often linear and
fixed: a pixel shuffle, a nearest enlargement, a flip, BGR, an affine map by channel (batch norm,
ImageNet's mean and deviation), the enlarged input added (residual upscalers). A convolution and
what follows it are one transposed convolution, so everything behind the split stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.common.errors import NotAttributable, RangeUnknown
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.match import match_output
from flipad_ops.generators.output import ActivationName, OutputMap, default_output_map
from flipad_ops.generators.tail import Tail
from flipad_ops.generators.trace import LinearCall

#: Entries by channel that an affine map is fitted to, at least.
ENOUGH = 16
#: Largest difference of the folded layer's outputs, beside the largest of them.
FOLDED = 1e-4
#: Inputs of an activation that tell a scale: beyond, float32 has few digits of them left.
NEAR = 3.0
KINDS = ("conv2d", "conv_transpose2d", "linear")
#: Channels of an image at most.
CHANNELS = 4


@dataclass(frozen=True)
class Ending:
    """What follows the last layer, and how its input becomes the folded layer's.

    Parameters
    ----------
    grid : (int, int) or None
        A linear layer ran once a patch: rows and columns of patches.
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
        linear = self.placed(linear, len(latents))
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
        if self.residual:
            weight = torch.cat([weight, self._identity(weight, shape[0])], dim=1)
        whole = None if bias is None else bias[None, :, None, None].expand(1, *layer.output_shape)
        fields: dict[str, Any] = {}
        if self.factor > 1:
            weight, fields = self._spread(weight, layer, shape[0])
            transposed = True
        weight = weight.flip(self.flips) if self.flips else weight
        if whole is not None:
            rest = Ending(None, self.factor, self.shuffled, flips=self.flips)
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


@dataclass(frozen=True, eq=False)
class Folded:
    """What `find_ending` found."""

    layer: FinalLayer
    ending: Ending
    output_map: OutputMap
    tail: Tail


def find_ending(
    call: LinearCall, output: Tensor, latents: Tensor, metadata: Mapping[str, Any] | None
) -> Folded:
    """The ending that makes `output` (batch, channels, height, width) of the last layer's outputs.

    Raises
    ------
    NotAttributable
        None of those known does.
    RangeUnknown
        As `match_output`.
    """
    linear, inputs = call.output.float().cpu(), call.input.float().cpu()
    latents = latents.float().cpu()
    output = output.float().cpu()
    found = [(each, each.apply(linear, latents)) for each in _endings(call, output, latents)]
    names = get_args(ActivationName) if output.dim() == 4 else ()
    fitted = (
        (replace(each, affine=affine), made)
        for name in names
        for each, made in found
        if (affine := _affine(made, output, name)) is not None
    )
    for ending, _ in (*found, *fitted):
        try:
            output_map, tail = match_output(ending.apply(linear, latents), output, metadata)
        except RangeUnknown:
            raise
        except NotAttributable:
            continue
        layer = ending.fold(call.layer(), tuple(output.shape[1:]))
        again, made = layer(ending(inputs, latents)), ending.apply(linear, latents)
        scale = float(made.abs().max())
        if again.shape == made.shape and float((again - made).abs().max()) <= FOLDED * scale:
            return Folded(layer, ending, output_map, tail)
    raise NotAttributable("No known ending makes the output of the last layer's.")


def _endings(call: LinearCall, output: Tensor, latents: Tensor) -> Iterator[Ending]:
    """Those whose shapes fit, simplest first."""
    if output.dim() != 4 or output.shape[1] > CHANNELS or call.kind not in KINDS:
        return
    count, channels, *size = output.shape
    for start in _starts(call, count, channels, size):
        residuals = [False]
        if call.kind == "conv2d" and _adds(call, latents, channels, size):
            residuals.append(True)
        for residual in residuals:
            for flips in ((), (3,), (2,), (2, 3)):
                for backwards in (False, True) if channels == 3 else (False,):
                    yield replace(
                        start, residual=residual, flips=flips, reversed_channels=backwards
                    )


def _starts(call: LinearCall, count: int, channels: int, size: list[int]) -> Iterator[Ending]:
    """Ways from the layer's output to the image's size."""
    made = call.output
    if call.kind == "linear":
        patch = round(math.sqrt(made.shape[-1] / channels))
        if patch < 1 or patch * patch * channels != made.shape[-1] or any(n % patch for n in size):
            return
        grid = (size[0] // patch, size[1] // patch)
        if made.numel() == count * grid[0] * grid[1] * made.shape[-1]:
            for order in ("tensorflow", "torch"):
                yield Ending(grid, patch, order if patch > 1 else "")
        return
    factor = size[0] // made.shape[2]
    if made.shape[0] != count or size != [side * factor for side in made.shape[2:]]:
        return
    if factor == 1:
        if made.shape[1] == channels:
            yield Ending()
        return
    if call.kind != "conv2d" or (call.stride, call.dilation, call.groups) != ((1, 1), (1, 1), 1):
        return
    if made.shape[1] == channels * factor**2:
        yield Ending(None, factor, "torch")
        yield Ending(None, factor, "tensorflow")
    elif made.shape[1] == channels:
        yield Ending(None, factor)


def _adds(call: LinearCall, latents: Tensor, channels: int, size: list[int]) -> bool:
    """Whether the input is an image that can be enlarged to the layer's input and to the image."""
    if latents.dim() != 4 or latents.shape[1] != channels:
        return False
    middle, small = list(call.input.shape[2:]), list(latents.shape[2:])
    same = [2 * pad + 1 for pad in call.padding] == list(call.weight.shape[2:])
    times = middle[0] // small[0]
    return (
        same
        and times > 0
        and middle == [side * times for side in small]
        and (size[0] % small[0] == 0)
    )


def _affine(
    linear: Tensor, output: Tensor, name: ActivationName
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Scale and shift by channel that best make the activation's input of `linear`; None where
    there is no activation of that kind, or too little to tell."""
    low, high = float(output.min()), float(output.max())
    if name != "identity" and not ((-1.0 if name == "tanh" else 0.0) <= low and high <= 1.0):
        return None
    targets = default_output_map(name).inverse(output)
    scales, shifts = [], []
    for channel in range(output.shape[1]):
        x, y = linear[:, channel].flatten().double(), output[:, channel].flatten()
        t = targets[:, channel].flatten().double()
        inside = (y > low) & (y < high) & t.isfinite()
        x, t = x[inside], t[inside]
        if len(x) < ENOUGH or float(x.std()) == 0.0:
            return None
        near = t.abs() <= NEAR if name != "identity" else torch.ones_like(t, dtype=torch.bool)
        x, t = (x[near], t[near]) if int(near.sum()) >= ENOUGH else (x, t)
        scale = float(((x - x.mean()) * (t - t.mean())).sum() / (x - x.mean()).square().sum())
        scales.append(scale)
        shifts.append(float(t.mean()) - scale * float(x.mean()))
    if 0.0 in scales:
        return None
    return tuple(scales), tuple(shifts)


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
