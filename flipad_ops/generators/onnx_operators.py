"""ONNX operators of generators in torch, with gradients.

Each takes the node's attributes and its inputs (None where left out) and returns a tensor, or a
list of them. What an operator cannot do here raises NotImplementedError with a phrase. Nothing is
taken on trust: `differentiable.obstacle` compares the graph's images with onnxruntime's.

Source: https://onnx.ai/onnx/operators/, opsets 11 to 23.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Attributes = Mapping[str, Any]
Operator = Callable[..., Any]


def _numbers(value: Tensor | Sequence[Any] | None) -> list[int]:
    if value is None:
        return []
    return [int(each) for each in (value.tolist() if isinstance(value, Tensor) else value)]


def _axes(a: Attributes, stated: Tensor | None) -> list[int]:
    """Of an input since opset 13 or 18, an attribute before."""
    return _numbers(stated) if stated is not None else _numbers(a.get("axes"))


def _plain(call: Callable[..., Tensor]) -> Operator:
    return lambda a, *inputs: call(*inputs)


def _folded(call: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda a, *inputs: reduce(call, inputs)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _clip(
    a: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None
) -> Tensor:
    bottom = a.get("min") if low is None else low
    top = a.get("max") if high is None else high
    x = x if bottom is None else torch.maximum(x, torch.as_tensor(bottom, dtype=x.dtype).to(x))
    return x if top is None else torch.minimum(x, torch.as_tensor(top, dtype=x.dtype).to(x))


def _cast(a: Attributes, x: Tensor) -> Tensor:
    from onnx import helper

    kind: torch.dtype = getattr(torch, helper.tensor_dtype_to_np_dtype(a["to"]).name)
    return x.to(kind)


def _gemm(a: Attributes, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    x, y = (x.t() if a.get("transA") else x), (y.t() if a.get("transB") else y)
    made: Tensor = a.get("alpha", 1.0) * (x @ y)
    return made if bias is None else made + a.get("beta", 1.0) * bias


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = _numbers(shape)
    if not a.get("allowzero"):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1) % (x.dim() + 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _squeeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(a, axes)
    return x.squeeze(tuple(chosen)) if chosen else x.squeeze()


def _unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _axes(a, axes)
    for axis in sorted(each % (x.dim() + len(chosen)) for each in chosen):
        x = x.unsqueeze(axis)
    return x


def _slice(
    a: Attributes, x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:  # fmt: skip
    first = _numbers(starts)
    chosen = _numbers(axes) or range(len(first))
    strides = _numbers(steps) or [1] * len(first)
    for start, end, axis, step in zip(first, _numbers(ends), chosen, strides, strict=True):
        places = range(x.shape[axis])[slice(start, None if end < -(2**31) else end, step)]
        x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x


def _gather(a: Attributes, x: Tensor, places: Tensor) -> Tensor:
    axis = a.get("axis", 0) % x.dim()
    places = torch.where(places < 0, places + x.shape[axis], places).long()
    made = x.index_select(axis, places.flatten())
    return made.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def _split(a: Attributes, x: Tensor, sizes: Tensor | None = None) -> list[Tensor]:
    axis = a.get("axis", 0)
    stated = _numbers(sizes) or _numbers(a.get("split"))
    if not stated:
        stated = [-(-x.shape[axis] // a["outputs"])] * a["outputs"]
        stated[-1] = x.shape[axis] - sum(stated[:-1])
    return list(torch.split(x, stated, axis))


def _expand(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(_numbers(shape))))


def _constant(a: Attributes) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in a:
            return torch.as_tensor(a[name])
    raise NotImplementedError("a constant that is no number")


def _shape(a: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[a.get("start", 0) : a.get("end")], dtype=torch.int64)


def _filled(a: Attributes, shape: Tensor) -> Tensor:
    value: Tensor = a.get("value", torch.zeros(1))
    return value.reshape(-1)[0].expand(_numbers(shape)).clone()


def _pad(
    a: Attributes, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:  # fmt: skip
    sizes = _numbers(pads) or _numbers(a.get("pads"))
    chosen = _numbers(axes) or list(range(x.dim()))
    both = {axis % x.dim(): (sizes[i], sizes[i + len(chosen)]) for i, axis in enumerate(chosen)}
    flat = [size for axis in reversed(range(x.dim())) for size in both.get(axis, (0, 0))]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
    while mode[a.get("mode", "constant")] != "constant" and flat[-2:] == [0, 0]:
        flat = flat[:-2]
    fill = {} if value is None else {"value": float(value)}
    return F.pad(x, flat, mode[a.get("mode", "constant")], **fill)


def _resize(
    a: Attributes, x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:  # fmt: skip
    factors = [] if scales is None else [float(each) for each in scales]
    wanted = _numbers(sizes) or [math.floor(n * f) for n, f in zip(x.shape, factors, strict=True)]
    if len(wanted) != x.dim() or wanted[:2] != list(x.shape[:2]):
        raise NotImplementedError("resizing of other axes than height and width")
    where = a.get("coordinate_transformation_mode", "half_pixel")
    mode = a.get("mode", "nearest")
    if mode == "nearest":
        return F.interpolate(x, size=wanted[2:], mode="nearest")
    if where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise NotImplementedError(f"{mode} resizing with {where} coordinates")
    ways = {"linear": "bilinear", "cubic": "bicubic"}
    return F.interpolate(x, wanted[2:], mode=ways[mode], align_corners=where == "align_corners")


def _depth_to_space(a: Attributes, x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    block = a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, block)
    x = x.reshape(n, block, block, channels // block**2, height, width)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(n, -1, height * block, width * block)


def _reduced(call: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def run(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(a, axes)
        if not chosen and a.get("noop_with_empty_axes"):
            return x
        return call(x, chosen or list(range(x.dim())), bool(a.get("keepdims", 1)))

    return run


def _softmax(a: Attributes, x: Tensor) -> Tensor:
    return x.softmax(a.get("axis", -1))


def _where(a: Attributes, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.where(condition, x, y)


OPERATORS: dict[str, Operator] = {
    **{name: _plain(getattr(torch, name.lower())) for name in (
        "Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Round",
        "Sigmoid", "Sign", "Sin", "Sqrt", "Tanh", "Relu",
    )},
    "Softplus": _plain(F.softplus), "Softsign": _plain(F.softsign), "Mish": _plain(F.mish),
    "HardSwish": _plain(F.hardswish), "Not": _plain(torch.logical_not),
    "Identity": _plain(lambda x: x), "Dropout": _plain(lambda x, *rest: x),
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Selu": lambda a, x: F.selu(x),
    "PRelu": _plain(lambda x, slope: torch.where(x < 0, slope * x, x)),
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", "none")),
    "Swish": lambda a, x: x * torch.sigmoid(a.get("alpha", 1.0) * x),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "Add": _folded(torch.add), "Sub": _folded(torch.sub), "Mul": _folded(torch.mul),
    "Div": _folded(_divide), "Sum": _folded(torch.add), "Min": _folded(torch.minimum),
    "Max": _folded(torch.maximum), "And": _folded(torch.logical_and),
    "Or": _folded(torch.logical_or), "Equal": _folded(torch.eq), "Less": _folded(torch.lt),
    "LessOrEqual": _folded(torch.le), "Greater": _folded(torch.gt),
    "GreaterOrEqual": _folded(torch.ge), "Pow": _plain(lambda x, y: x.pow(y).to(x.dtype)),
    "Mod": _plain(torch.remainder), "Clip": _clip, "Cast": _cast, "Where": _where,
    "CastLike": _plain(lambda x, y: x.to(y.dtype)),
    "Gemm": _gemm, "MatMul": _plain(torch.matmul),
    "Einsum": lambda a, *inputs: torch.einsum(a["equation"], *inputs),
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Transpose": lambda a, x: x.permute(a.get("perm") or list(reversed(range(x.dim())))),
    "Concat": lambda a, *inputs: torch.cat(inputs, a["axis"]),
    "Slice": _slice, "Gather": _gather, "Split": _split, "Expand": _expand,
    "Tile": _plain(lambda x, repeats: x.repeat(_numbers(repeats))),
    "Constant": _constant, "ConstantOfShape": _filled, "Shape": _shape,
    "Size": lambda a, x: torch.tensor(x.numel()),
    "Range": _plain(lambda x, y, step: torch.arange(x.item(), y.item(), step.item()).to(x)),
    "Pad": _pad, "Resize": _resize,
    "Upsample": lambda a, x, scales: _resize(
        {**a, "coordinate_transformation_mode": "half_pixel"}, x, None, scales
    ),
    "DepthToSpace": _depth_to_space, "Softmax": _softmax,
    "LogSoftmax": lambda a, x: x.log_softmax(a.get("axis", -1)),
    "ReduceMean": _reduced(torch.mean), "ReduceSum": _reduced(torch.sum),
    "ReduceMax": _reduced(torch.amax), "ReduceMin": _reduced(torch.amin),
    "ReduceL2": _reduced(lambda x, axes, keep: x.norm(dim=axes, keepdim=keep)),
    "ReduceSumSquare": _reduced(lambda x, axes, keep: x.square().sum(axes, keep)),
    "GlobalAveragePool": lambda a, x: x.mean(list(range(2, x.dim())), keepdim=True),
}  # fmt: skip
