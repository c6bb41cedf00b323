"""Look for the ending that makes a generator's output of its last layer's; see `endings`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor

from flipad_ops.common.errors import NotAttributable, RangeUnknown
from flipad_ops.generators.endings import Ending
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
                yield Ending(grid, None, patch, order if patch > 1 else "")
        return
    factor = size[0] // made.shape[2]
    if made.shape[0] != count or size != [side * factor for side in made.shape[2:]]:
        return
    if factor == 1:
        if made.shape[1] == channels:
            yield Ending()
        elif made.shape[1] > channels and call.groups == 1:
            yield Ending(kept=channels)
        return
    if call.kind != "conv2d" or (call.stride, call.dilation, call.groups) != ((1, 1), (1, 1), 1):
        return
    if made.shape[1] == channels * factor**2:
        yield Ending(factor=factor, shuffled="torch")
        yield Ending(factor=factor, shuffled="tensorflow")
    elif made.shape[1] == channels:
        yield Ending(factor=factor)


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
    # Five digits, far below a grey level, are the same on every machine.
    return tuple(float(f"{x:.5g}") for x in scales), tuple(float(f"{x:.5g}") for x in shifts)
