"""An ONNX graph in half precision as the same graph in float32; see `full_precision`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto


def widen_graph(model: ModelProto, folder: Path) -> None:
    """Change a model in place: values, constants and casts of fewer digits become float32.

    Parameters
    ----------
    folder : Path
        Where external data lie.
    """
    from onnx import TensorProto

    low = {
        number
        for name, number in TensorProto.DataType.items()
        if name == "FLOAT16" or name.startswith(("BFLOAT16", "FLOAT8"))
    }
    _widen(model.graph, folder, low)


def _widen(graph: GraphProto, folder: Path, low: set[int]) -> None:
    from onnx import AttributeProto, TensorProto

    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in low:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in graph.initializer:
        _tensor(tensor, folder, low)
    for node in graph.node:
        for each in node.attribute:
            if each.type == AttributeProto.TENSOR:
                _tensor(each.t, folder, low)
            elif each.name in ("to", "dtype") and each.i in low:
                each.i = TensorProto.FLOAT
            elif each.type == AttributeProto.GRAPH:
                _widen(each.g, folder, low)


def _tensor(tensor: TensorProto, folder: Path, low: set[int]) -> None:
    from onnx import numpy_helper

    if tensor.data_type in low:
        values: Any = numpy_helper.to_array(tensor, base_dir=str(folder))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
