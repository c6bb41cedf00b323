"""Find the last linear node of an ONNX graph by walking back from its output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import GeneratorUnreadable, NotAttributable

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
#: May stand between the last linear node and the output: parts of activations, affine maps and
#: clamps, which the split then checks numerically.
ELEMENTWISE = (
    "Tanh", "Sigmoid", "Identity", "Cast", "Clip", "Mul", "Add", "Sub", "Div", "Min", "Max",
    "Neg", "Exp", "Reciprocal", "Relu", "HardSigmoid",
)  # fmt: skip
#: Like those, and only the first input carries values; what they do is found by the numbers
#: (`generators.endings`).
RESHAPING = (
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "Resize", "Upsample",
    "Slice", "Gather", "BatchNormalization",
)  # fmt: skip
COVERED = "FLIPAD needs a final convolution or linear layer followed by an invertible activation"


@dataclass(frozen=True)
class LastNode:
    """The last linear node by the names of its tensors.

    Parameters
    ----------
    op : {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    attributes : dict
    data, weight : str
    bias, added : str or None
        Its own bias, and a constant that an Add right behind it adds.
    output : str
        After that Add, if there is one.
    tail : tuple of str
        Operators between it and the graph's output, in order.
    """

    op: str
    name: str
    attributes: dict[str, Any]
    data: str
    weight: str
    bias: str | None
    added: str | None
    output: str
    tail: tuple[str, ...]


def find_last_linear(model: ModelProto) -> LastNode:
    """The linear node nearest the graph's first output.

    Raises
    ------
    NotAttributable
        Something else than an activation follows it, branches join behind it, or there is none.
    """
    graph = model.graph
    if not graph.output:
        raise GeneratorUnreadable("The ONNX graph has no output.")
    producers = {name: node for node in graph.node for name in node.output}
    varying = _varying(graph.node, [value.name for value in graph.input])
    name = graph.output[0].name
    path: list[NodeProto] = []
    while True:
        node = producers.get(name)
        if node is None:
            raise NotAttributable(
                "The ONNX graph runs no convolution and no linear layer.", remedy=COVERED
            )
        inputs = [tensor for tensor in node.input if tensor in varying]
        if node.op_type in LINEAR and node.domain in ("", "ai.onnx"):
            return _last_node(node, path, varying)
        if node.op_type in RESHAPING:
            inputs = [node.input[0]]
        elif node.op_type not in ELEMENTWISE:
            raise NotAttributable(
                f"{_called(node)} follows the last linear layer; only an activation, an affine "
                "map and a clamp can be undone.",
                remedy=f"{COVERED}; if images are stored without {node.op_type}, export the "
                "generator without it",
            )
        if len(inputs) == 2 and node.op_type == "Add":
            # The generator's own input, enlarged, is added behind a residual upscaler's last layer.
            inputs = [tensor for tensor in inputs if _is_computed(tensor, producers)] or inputs
        if len(inputs) != 1:
            raise NotAttributable(
                f"{_called(node)} joins {len(inputs)} branches behind the last linear layer, as "
                "skip connections do.",
                remedy=COVERED,
            )
        path.append(node)
        name = inputs[0]


def _last_node(node: NodeProto, path: list[NodeProto], varying: set[str]) -> LastNode:
    from onnx import helper

    data, weight = node.input[0], node.input[1]
    if node.op_type == "MatMul" and weight in varying:
        raise NotAttributable(
            f"{_called(node)} multiplies two computed tensors, as attention does.", remedy=COVERED
        )
    own = node.input[2] if len(node.input) > 2 and node.input[2] else None
    added, output, behind = None, node.output[0], path[-1] if path else None
    if behind is not None and behind.op_type == "Add":
        (added,) = [tensor for tensor in behind.input if tensor not in varying] or [None]
        output = behind.output[0] if added else output
    return LastNode(
        op=node.op_type,
        name=node.name,
        attributes={a.name: helper.get_attribute_value(a) for a in node.attribute},
        data=data,
        weight=weight,
        bias=own,
        added=added,
        output=output,
        tail=tuple(each.op_type for each in reversed(path)),
    )


def _is_computed(name: str, producers: Mapping[str, NodeProto]) -> bool:
    """Whether a linear node stands anywhere before a tensor."""
    before, seen = [name], {name}
    while before:
        node = producers.get(before.pop())
        if node is None:
            continue
        if node.op_type in LINEAR:
            return True
        before += [tensor for tensor in node.input if tensor not in seen]
        seen.update(node.input)
    return False


def _varying(nodes: Iterable[NodeProto], inputs: list[str]) -> set[str]:
    """Tensors that depend on the latent or on chance; all others are constants."""
    varying = set(inputs)
    for node in nodes:
        chance = node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")
        inner = any(attribute.HasField("g") for attribute in node.attribute)
        if chance or inner or varying.intersection(node.input):
            varying.update(node.output)
    return varying


def _called(node: NodeProto) -> str:
    return f"{node.op_type} ({node.name})" if node.name else node.op_type
