"""An ONNX linear node with its tensors as the `LinearCall` that torch would have made.

Operators: https://onnx.ai/onnx/operators/ (Conv, ConvTranspose, Gemm, MatMul).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators.onnx_graph import COVERED, LastNode
from flipad_ops.generators.trace import LinearCall


def linear_call(
    node: LastNode,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Tensor | None,
    output: Tensor,
) -> LinearCall:
    """The node's call in torch's layout.

    Parameters
    ----------
    data : Tensor, (batch, channels, height, width) or (batch, features)
    weight, bias, added : Tensor
        As the graph holds them.
    output : Tensor
        After `added`.

    Raises
    ------
    NotAttributable
        Another number of dimensions, or padding that no equivalent symmetric one has.
    """
    if node.op in ("Gemm", "MatMul"):
        return _linear(node, data, weight, bias, added, output)
    if data.dim() != 4:
        raise NotAttributable(
            f"The last linear operation is a {data.dim() - 2}-d convolution.", remedy=COVERED
        )
    transposed = node.op == "ConvTranspose"
    strides = _pair(node.attributes.get("strides", [1, 1]))
    dilations = _pair(node.attributes.get("dilations", [1, 1]))
    extra = _pair(node.attributes.get("output_padding", [0, 0]))
    begins, ends = [], []
    for axis in (0, 1):
        begin, end = _pads(
            node, axis, data.shape[2 + axis], output.shape[2 + axis], weight.shape[2 + axis],
            strides[axis], dilations[axis], extra[axis],
        )  # fmt: skip
        begins.append(begin)
        ends.append(end)
    weight, padding = _symmetric(weight, begins, ends, dilations)
    return LinearCall(
        kind="conv_transpose2d" if transposed else "conv2d",
        weight=weight,
        bias=_bias(bias, added, output.shape[1]),
        input=data,
        output=output,
        stride=strides,
        padding=padding,
        output_padding=extra if transposed else (0, 0),
        dilation=dilations,
        groups=int(node.attributes.get("group", 1)),
    )


def _linear(
    node: LastNode,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Tensor | None,
    output: Tensor,
) -> LinearCall:
    if data.dim() != 2 or weight.dim() != 2 or node.attributes.get("transA"):
        raise NotAttributable(
            f"The last linear operation ({node.op}) runs on tensors of {data.dim()} dimensions: a "
            "sample is not one call of it.",
            remedy=COVERED,
        )
    if node.op == "MatMul" or not node.attributes.get("transB"):
        weight = weight.t()
    weight = weight * float(node.attributes.get("alpha", 1.0))
    if bias is not None:
        bias = bias.reshape(-1) * float(node.attributes.get("beta", 1.0))
    return LinearCall("linear", weight, _bias(bias, added, output.shape[1]), data, output)


def _bias(bias: Tensor | None, added: Tensor | None, channels: int) -> Tensor | None:
    """Both biases as one vector; an Add of another shape fails the split's numerical check."""
    total: Tensor | None = None
    for part in (bias, added):
        if part is not None and part.numel() in (1, channels):
            vector = part.reshape(-1).expand(channels)
            total = vector if total is None else total + vector
    return total


def _pads(
    node: LastNode, axis: int, size: int, out: int, kernel: int, stride: int, dilation: int,
    extra: int,
) -> tuple[int, int]:  # fmt: skip
    """Padding before and after along one axis; implicit ones follow from the sizes."""
    auto = node.attributes.get("auto_pad", b"NOTSET")
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    reach = (kernel - 1) * dilation + 1
    transposed = node.op == "ConvTranspose"
    implicit = auto.startswith("SAME") or (transposed and "output_shape" in node.attributes)
    if not implicit:
        pads = list(node.attributes.get("pads", [])) or [0, 0, 0, 0]
        return (0, 0) if auto == "VALID" else (int(pads[axis]), int(pads[axis + 2]))
    if transposed:
        total = max(stride * (size - 1) + extra + reach - out, 0)
    else:
        total = max((out - 1) * stride + reach - size, 0)
    half = total // 2
    # ConvTranspose with output_shape puts the odd one first unless SAME_UPPER is asked for.
    at_end = auto == "SAME_UPPER" or (not transposed and auto != "SAME_LOWER")
    return (half, total - half) if at_end else (total - half, half)


def _symmetric(
    weight: Tensor, begins: list[int], ends: list[int], dilations: tuple[int, int]
) -> tuple[Tensor, tuple[int, int]]:
    """The same operator with equal padding on both sides: zeros lengthen the kernel.

    A zero in front of the kernel shifts it by one, as one more row of padding does; for both
    kinds of convolution the lengthened kernel takes the place of the missing padding.
    """
    grow, padding = [], []
    for begin, end, dilation in zip(begins, ends, dilations, strict=True):
        if min(begin, end) < 0 or (begin != end and dilation != 1):
            raise NotAttributable(
                f"The last convolution is padded by {begins} before and {ends} after, which "
                "cannot be written with equal padding.",
                remedy="Export it with equal padding on both sides",
            )
        front, back = max(end - begin, 0), max(begin - end, 0)
        grow.append((front, back))
        padding.append(max(begin, end))
    (top, bottom), (left, right) = grow
    if any((top, bottom, left, right)):
        weight = F.pad(weight, (left, right, top, bottom))
    return weight, (padding[0], padding[1])


def _pair(values: Any) -> tuple[int, int]:
    first, second = (int(value) for value in values) if len(values) == 2 else (int(values[0]),) * 2
    return first, second
