"""An ONNX graph run node by node in torch, so that gradients reach its input.

No library fitted on 2026-11-27: onnx2torch (last release 2024) knows nothing beyond opset 18, and
onnx2pytorch needs the torchvision of the very torch build.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from flipad_ops.generators.onnx_inputs import OnnxInputs
from flipad_ops.generators.onnx_layers import LAYERS
from flipad_ops.generators.onnx_operators import OPERATORS

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

KNOWN = {**OPERATORS, **LAYERS}


def unknown_operators(model: ModelProto) -> list[str]:
    """Operators of the graph that have no counterpart here, each once."""
    found = (
        node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        for node in model.graph.node
    )
    return [name for name in dict.fromkeys(found) if name not in KNOWN]


class OnnxTwin:
    """Called with latents (batch, ...) it gives the graph's first output, with its graph.

    Parameters
    ----------
    model : ModelProto
        Of known operators only.
    constants : mapping of name to Tensor
        The initializers.
    inputs : OnnxInputs
        What the graph is fed for latents.
    """

    def __init__(
        self,
        model: ModelProto,
        constants: Mapping[str, Tensor],
        inputs: OnnxInputs,
        device: str = "cpu",
    ) -> None:
        self.device, self.inputs = device, inputs
        self.output = model.graph.output[0].name
        self.constants = {name: value.to(device) for name, value in constants.items()}
        self.steps: list[tuple[NodeProto, dict[str, Any]]] = []
        for node in model.graph.node:
            attributes = {each.name: _value(each) for each in node.attribute}
            attributes["outputs"] = len(node.output)
            if all(name in self.constants or not name for name in node.input):
                with torch.no_grad():  # once, not at each call
                    self._run(node, attributes, self.constants)
            else:
                self.steps.append((node, attributes))
        self.last = {n: i for i, (node, _) in enumerate(self.steps) for n in node.input}

    def __call__(self, latents: Tensor) -> Tensor:
        """Raises NotImplementedError for what an operator cannot do here."""
        values = self.inputs(latents.to(self.device))
        for index, (node, attributes) in enumerate(self.steps):
            self._run(node, attributes, values)
            for name in node.input:
                if self.last[name] == index and name != self.output:
                    values.pop(name, None)
        return values[self.output] if self.output in values else self.constants[self.output]

    def _run(
        self, node: NodeProto, attributes: Mapping[str, Any], values: dict[str, Tensor]
    ) -> None:
        inputs = [self._named(name, values) if name else None for name in node.input]
        try:
            made = KNOWN[node.op_type](attributes, *inputs)
        except NotImplementedError as error:
            raise NotImplementedError(f"{node.op_type}: {error}") from error
        made = made if isinstance(made, list) else [made]
        values.update(zip(node.output, (each.to(self.device) for each in made), strict=False))

    def _named(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        return values[name] if name in values else self.constants[name]


def _value(attribute: Any) -> Any:
    """An attribute's value; text for bytes, tensors for tensors."""
    from onnx import helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if attribute.HasField("t"):
        return torch.from_numpy(np.array(numpy_helper.to_array(value)))
    return list(value) if isinstance(value, (list, tuple)) or hasattr(value, "append") else value
