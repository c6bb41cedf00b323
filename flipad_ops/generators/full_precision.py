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

#: Floating types of fewer digits than float32.
LOW = frozenset(
    kind
    for kind in vars(torch).values()
    if isinstance(kind, torch.dtype) and kind.is_floating_point and kind.itemsize < 4
)


class FullPrecision(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Computes in float32 what is asked for in a type of fewer digits; `lowered` says whether
    anything was."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lowered = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return func(*map(self._wide, args), **{k: self._wide(v) for k, v in (kwargs or {}).items()})

    def _wide(self, argument: Any) -> Any:
        if isinstance(argument, torch.dtype) and argument in LOW:
            self.lowered = True
            return torch.float32
        return argument


class InFloat32(nn.Module):
    """A generator that casts inside, run in float32."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, latents: Tensor) -> Any:
        """What the generator returns for latents (batch, ...)."""
        with FullPrecision():
            return self.generator(latents)


class WithEncoder(InFloat32):
    """The same of a generator with an encoder."""

    def encode(self, images: Tensor) -> Any:
        """What the generator's own `encode` gives for images (batch, ...)."""
        with FullPrecision():
            return self.generator.encode(images)


def in_float32(generator: Any) -> InFloat32:
    """The generator with every cast to half precision left out."""
    encodes = callable(getattr(generator, "encode", None))
    return (WithEncoder if encodes else InFloat32)(generator)


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
