"""Run in float32 what computes in half precision.

An inversion asks for more digits than half precision has: bfloat16 rounds by a grey level. The
weights are the same numbers in float32, and the images differ from the half ones by such roundings
alone, which an attributor is calibrated to bear: every cast to half precision, of a module or of
`torch.autocast`, keeps float32 instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from flipad_ops.generators.tail import Range

#: Floating types of fewer digits than float32.
LOW = frozenset(
    kind
    for kind in vars(torch).values()
    if isinstance(kind, torch.dtype) and kind.is_floating_point and kind.itemsize < 4
)


_aten = torch.ops.aten
#: Operations of last layers; how many of them run tells where the last one is.
LAYERS = frozenset({
    _aten.convolution.default, _aten.conv2d.default, _aten.conv_transpose2d.input,
    _aten.addmm.default, _aten.mm.default, _aten.linear.default,
})  # fmt: skip
_ROUNDING = frozenset({_aten.round.default, _aten.round_.default})
_CUTTING = frozenset({_aten.floor.default, _aten.floor_.default, _aten.trunc.default})


class FullPrecision(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes in float32 what is asked for in a type of fewer digits.

    Parameters
    ----------
    whole_after : int or None
        Behind so many layers, numbers are not made whole either: not rounded, not cast to integers.

    Attributes
    ----------
    lowered : bool
        Whether anything was asked for in fewer digits.
    layers : int
        How many layers ran.
    rounded : bool
        Numbers would have been rounded, and not cut off, to whole ones.
    """

    def __init__(self, whole_after: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.whole_after = whole_after
        self.lowered, self.rounded = False, False
        self.layers = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.layers += func in LAYERS
        if self.layers == self.whole_after:
            if func in _ROUNDING or func in _CUTTING:
                self.rounded |= func in _ROUNDING
                return args[0]
            if func is _aten._to_copy.default and args[0].is_floating_point():
                kind = (kwargs or {}).get("dtype")
                if kind is not None and not kind.is_floating_point:
                    return args[0]
        return func(*map(self._wide, args), **{k: self._wide(v) for k, v in (kwargs or {}).items()})

    def _wide(self, argument: Any) -> Any:
        if isinstance(argument, torch.dtype) and argument in LOW:
            self.lowered = True
            return torch.float32
        return argument


class InFloat32(nn.Module):
    """A generator that casts inside, run in float32; `whole_after` as in `FullPrecision`."""

    def __init__(self, generator: Any, whole_after: int | None = None) -> None:
        super().__init__()
        self.generator, self.whole_after = generator, whole_after

    def forward(self, latents: Tensor) -> Any:
        """What the generator returns for latents (batch, ...)."""
        with FullPrecision(self.whole_after):
            return self.generator(latents)


class WithEncoder(InFloat32):
    """The same of a generator with an encoder."""

    def encode(self, images: Tensor) -> Any:
        """What the generator's own `encode` gives for images (batch, ...)."""
        with FullPrecision():
            return self.generator.encode(images)


def in_float32(generator: Any, whole_after: int | None = None) -> InFloat32:
    """The generator with every cast to half precision left out."""
    encodes = callable(getattr(generator, "encode", None))
    return (WithEncoder if encodes else InFloat32)(generator, whole_after)


def unrounded(generator: Any, latents: Tensor) -> tuple[InFloat32, Range]:
    """A generator of integers as one of numbers, and which of these are black and white.

    Numbers that are cut off, not rounded, to whole ones are half a level larger than the pixels.

    """
    with torch.no_grad(), FullPrecision() as seen:
        generator(latents)
    whole = in_float32(generator, seen.layers)
    with torch.no_grad(), FullPrecision(seen.layers) as again:
        generator(latents)
    half = 0.0 if again.rounded else 0.5
    return whole, (half, 255.0 + half)


def widened(module: nn.Module) -> nn.Module:
    """The module, or a copy with float32 weights if some are in half precision."""
    tensors = (*module.parameters(), *module.buffers())
    if not any(tensor.dtype in LOW for tensor in tensors):
        return module
    with warnings.catch_warnings():  # torch's own, from copies of exported programs
        warnings.simplefilter("ignore", FutureWarning)
        module = deepcopy(module).float()
    for name, value in list(vars(module).items()):  # an exported program's constants
        if isinstance(value, Tensor) and value.dtype in LOW:
            setattr(module, name, value.float())
    return module
