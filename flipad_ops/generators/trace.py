"""Watch a generator run and record its last linear operation.

Dispatch-level tracing sees the same ATen calls whether the generator is a module, a
functional forward or an FX graph out of `torch.export` (on which forward hooks do not fire),
so no architecture needs code of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from flipad_ops.common.errors import FlipadError, GeneratorUnreadable, NotAttributable, first_line
from flipad_ops.generators.full_precision import LAYERS, FullPrecision
from flipad_ops.generators.layer import FinalLayer, LayerKind, Pair

Generator = Callable[[Tensor], Any]

_aten = torch.ops.aten
_CONVOLUTIONS = {
    _aten.convolution.default: "convolution",
    _aten.conv2d.default: "conv2d",
    _aten.conv_transpose2d.input: "conv_transpose2d",
}
_LINEARS = {_aten.addmm.default, _aten.mm.default, _aten.linear.default}


@dataclass(frozen=True, eq=False)
class LinearCall:
    """One linear operation as it was called: effective weights, geometry, input, output.

    `lowered` says that the generator asks for half precision somewhere; it ran in float32.
    `after` names what ran behind it.
    """

    kind: LayerKind
    weight: Tensor
    bias: Tensor | None
    input: Tensor
    output: Tensor
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    lowered: bool = False
    after: tuple[str, ...] = ()

    def layer(self) -> FinalLayer:
        """The call as data, weights copied to the CPU in float32."""
        bias = None if self.bias is None else self.bias.detach().float().cpu().clone()
        return FinalLayer(
            kind=self.kind,
            weight=self.weight.detach().float().cpu().clone(),
            bias=bias,
            input_shape=tuple(self.input.shape[1:]),
            output_shape=tuple(self.output.shape[1:]),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )


#: Operations remembered behind a layer.
MOST = 30
#: Names of operations that leave values as they are.
_SHAPING = (
    "view", "reshape", "expand", "permute", "detach", "copy", "clone", "transpose", "squeeze",
    "slice", "select", "alias", "contiguous", "empty", "metadata", "like",
)  # fmt: skip
#: Channels at most of what counts as an image or a layer that makes one.
IMAGE_CHANNELS = 4


@dataclass(frozen=True, eq=False)
class Images:
    """The last steps of a run that look like images: what a skip image is sought in.

    Parameters
    ----------
    calls : deque of LinearCall
        Convolutions to images, grouped by sample or not, the newest last.
    made : deque of Tensor
        Results (batch, few channels, height, width) of any operation, the newest last.
    """

    calls: deque[LinearCall] = field(default_factory=lambda: deque(maxlen=8))
    made: deque[Tensor] = field(default_factory=lambda: deque(maxlen=64))

    def see(self, result: Any) -> None:
        """Keep a result that looks like images."""
        if not (isinstance(result, Tensor) and result.dim() == 4 and result.is_floating_point()):
            return
        if result.shape[1] <= IMAGE_CHANNELS:
            self.made.append(result)

    def see_call(self, call: LinearCall) -> None:
        """Keep a convolution that makes images."""
        if call.output.shape[1] // call.groups <= IMAGE_CHANNELS:
            self.calls.append(call)


class LastLinear(FullPrecision):  # type: ignore[no-untyped-call]
    """Keeps the last convolution or matrix product seen while active, and images if asked."""

    def __init__(self, images: Images | None = None) -> None:
        super().__init__()
        self.last: LinearCall | None = None
        self.unsupported: str | None = None
        self.images = images
        self.after: list[str] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = super().__torch_dispatch__(func, types, args, kwargs)
        self.after = [] if func in LAYERS else [*self.after[-MOST:], func.name()]
        if func in _CONVOLUTIONS:
            self._convolution(_CONVOLUTIONS[func], args, result)
            if self.images is not None and self.last is not None:
                self.images.see_call(self.last)
        elif func in _LINEARS:
            self._linear(func, args, result)
        if self.images is not None:
            self.images.see(result)
        return result

    def _convolution(self, name: str, args: tuple[Any, ...], result: Tensor) -> None:
        x, weight = args[0], args[1]
        bias = args[2] if len(args) > 2 else None
        if x.dim() != 4:
            self.last, self.unsupported = None, f"a {x.dim() - 2}-d convolution"
            return
        rest = list(args[3:])
        if name == "convolution":
            stride, padding, dilation, transposed, output_padding, groups = rest[:6]
        elif name == "conv2d":
            defaults: list[Any] = [[1, 1], [0, 0], [1, 1], 1]
            stride, padding, dilation, groups = rest + defaults[len(rest) :]
            transposed, output_padding = False, [0, 0]
        else:
            defaults = [[1, 1], [0, 0], [0, 0], 1, [1, 1]]
            stride, padding, output_padding, groups, dilation = rest + defaults[len(rest) :]
            transposed = True
        self.unsupported = None
        self.last = LinearCall(
            kind="conv_transpose2d" if transposed else "conv2d",
            weight=weight,
            bias=bias,
            input=x,
            output=result,
            stride=_pair(stride),
            padding=_pair(padding),
            output_padding=_pair(output_padding),
            dilation=_pair(dilation),
            groups=int(groups),
        )

    def _linear(self, func: Any, args: tuple[Any, ...], result: Tensor) -> None:
        if func is _aten.addmm.default:
            bias, x, weight = args[0], args[1], args[2].t()
        elif func is _aten.mm.default:
            bias, x, weight = None, args[0], args[1].t()
        else:
            x, weight = args[0], args[1]
            bias = args[2] if len(args) > 2 else None
        self.unsupported = None
        self.last = LinearCall("linear", weight, bias, x, result)


def _pair(value: Any) -> Pair:
    first, second = (value, value) if isinstance(value, int) else (value * 2)[:2]
    return int(first), int(second)


class TracesItself(ABC):
    """A generator that runs outside torch and reports its last linear operation itself."""

    @abstractmethod
    def trace(self, latents: Tensor) -> tuple[Tensor, LinearCall]:
        """The output (batch, ...) and the last linear operation for latents (batch, ...)."""

    def __call__(self, latents: Tensor) -> Tensor:
        return self.trace(latents)[0]

    @property
    def twin(self) -> Generator | None:
        """The same in torch, through which gradients pass; `why_not_differentiable` compares."""
        return None

    @property
    def why_no_twin(self) -> str:
        """A sentence, where there is none."""
        return "The generator runs outside torch, so no gradient reaches the latents."


def only_tensor(output: Any) -> Tensor:
    """The images in what a generator returns: itself, `.sample`, or the first of a tuple.

    Raises
    ------
    NotAttributable
    """
    output = getattr(output, "sample", output)
    if isinstance(output, (tuple, list)) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise NotAttributable(f"The generator returns a {type(output).__name__}, not a tensor.")
    return output


def run_traced(
    generator: Generator, latents: Tensor, images: Images | None = None
) -> tuple[Tensor, LinearCall]:
    """Run the generator once without gradients.

    Parameters
    ----------
    images : Images, optional
        Filled with the last images made; what runs outside torch leaves it empty.

    Returns
    -------
    output : Tensor, (batch, ...)
    call : LinearCall
        The last linear operation.

    Raises
    ------
    GeneratorUnreadable
        The generator cannot run on these latents.
    NotAttributable
        It ran, and no supported linear operation or no tensor came out.
    """
    tracer = LastLinear(images)
    try:
        if isinstance(generator, TracesItself):
            output, tracer.last = generator.trace(latents)
        else:
            with torch.no_grad(), tracer:
                output = generator(latents)
    except FlipadError:
        raise
    except Exception as error:
        raise GeneratorUnreadable(
            f"The generator failed on latents of shape {tuple(latents.shape)}: {first_line(error)}"
        ) from error
    output = only_tensor(output)
    if output.shape[:1] != latents.shape[:1]:
        raise NotAttributable(
            f"The generator returned shape {list(output.shape)} for {latents.shape[0]} latents."
        )
    if tracer.unsupported:
        raise NotAttributable(
            f"The last linear operation is {tracer.unsupported}.",
            remedy="FLIPAD inverts 2-d convolutions and linear layers, and no metadata mends this; "
            "register samples instead (register --samples)",
        )
    if tracer.last is None:
        raise NotAttributable("The generator runs no convolution and no linear layer.")
    return output.detach(), replace(tracer.last, lowered=tracer.lowered, after=_named(tracer.after))


def _named(operations: list[str]) -> tuple[str, ...]:
    """Operations that change values, each once, by torch's names."""
    names = (name.removeprefix("aten::").partition(".")[0].strip("_") for name in operations)
    return tuple(name for name in dict.fromkeys(names) if not name.endswith(_SHAPING))
