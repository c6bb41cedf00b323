"""ONNX convolutions and normalisations in torch, with gradients; see `onnx_operators`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.generators.onnx_operators import Attributes, Operator


def _auto_pad(a: Attributes) -> str:
    return str(a.get("auto_pad", "NOTSET"))


def _halves(total: int, last: bool) -> tuple[int, int]:
    """Padding before and after; the odd one after if `last`."""
    half = total // 2
    return (half, total - half) if last else (total - half, half)


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.dim() - 2
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    pads = a.get("pads", [0] * 2 * rank)
    both = [(pads[i], pads[i + rank]) for i in range(rank)]
    if _auto_pad(a).startswith("SAME"):
        for i, (size, stride) in enumerate(zip(x.shape[2:], strides, strict=True)):
            reach = (weight.shape[2 + i] - 1) * dilations[i] + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            both[i] = _halves(total, _auto_pad(a) == "SAME_UPPER")
    x = F.pad(x, [size for pair in reversed(both) for size in pair])
    run = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    return run(x, weight, bias, strides, 0, dilations, a.get("group", 1))


def _conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.dim() - 2
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    extra, pads = a.get("output_padding", [0] * rank), a.get("pads", [0] * 2 * rank)
    both = [(pads[i], pads[i + rank]) for i in range(rank)]
    run = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    made = run(x, weight, bias, strides, 0, extra, a.get("group", 1), dilations)
    auto = _auto_pad(a)
    wanted = list(a.get("output_shape", []))[-rank:]
    if not wanted and auto.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    for i, size in enumerate(wanted):
        both[i] = _halves(max(made.shape[2 + i] - size, 0), auto == "SAME_UPPER")
    for i, (before, after) in enumerate(both):
        made = made.narrow(2 + i, before, made.shape[2 + i] - before - after)
    return made


def _batch_norm(
    a: Attributes, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, eps=a.get("epsilon", 1e-5))


def _instance_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


def _group_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = a["num_groups"]
    made = F.group_norm(x, groups, eps=a.get("epsilon", 1e-5))
    if len(scale) == groups:  # before opset 21, one for each group
        scale, bias = (each.repeat_interleave(x.shape[1] // groups) for each in (scale, bias))
    shape = (1, -1) + (1,) * (x.dim() - 2)
    return made * scale.reshape(shape) + bias.reshape(shape)


def _layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[a.get("axis", -1) % x.dim() :]
    made = F.layer_norm(x, shape, eps=a.get("epsilon", 1e-5)) * scale
    return made if bias is None else made + bias


def _rms_norm(a: Attributes, x: Tensor, scale: Tensor) -> Tensor:
    axes = list(range(a.get("axis", -1) % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + a.get("epsilon", 1e-5)) * scale


LAYERS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
}
