"""Hostile and broken ONNX graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.bad_inputs.model_case import Case, Writer


def graph(
    nodes: list[Any], *, out: list[Any] | None = None, held: list[Any] | None = None
) -> Writer:
    """An ONNX graph from x (n, 8, 1, 1) to y."""

    def write(folder: Path) -> None:
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 1, 1])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, out or ["n", 3, 4, 4])
        made = helper.make_graph(nodes, "g", [x], [y], held or [])
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(made, opset_imports=opsets, ir_version=8)
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    return write


def constant(name: str, array: Any) -> Any:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(array), name)


LAYER = constant("w", np.full((8, 3, 4, 4), 0.1, np.float32))
CONVOLVED = [helper.make_node("ConvTranspose", ["x", "w"], ["a"]),
             helper.make_node("Tanh", ["a"], ["y"])]  # fmt: skip


def loop(trips: int, grows: bool = False) -> Writer:
    """A Loop in front of the last layer; if it grows, it keeps a value of every trip."""
    info = helper.make_tensor_value_info
    nodes = [helper.make_node("Identity", ["go"], ["on"]),
             helper.make_node("Mul", ["v", "half"], ["next"])]  # fmt: skip
    outputs = [info("on", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, None)]
    if grows:
        nodes.append(helper.make_node("Expand", ["next", "wide"], ["kept"]))
        outputs.append(info("kept", TensorProto.FLOAT, None))
    body = helper.make_graph(
        nodes,
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []),
         info("v", TensorProto.FLOAT, None)],
        outputs,
    )  # fmt: skip
    made = ["z", "all"] if grows else ["z"]
    return graph(
        [helper.make_node("Loop", ["trips", "yes", "x"], made, body=body),
         helper.make_node("ConvTranspose", ["z", "w"], ["a"]), CONVOLVED[1]],
        held=[LAYER, constant("trips", np.int64(trips)), constant("yes", np.bool_(True)),
              constant("half", np.float32(0.5)),
              constant("wide", np.array([1, 8, 2048, 2048], np.int64))],
    )  # fmt: skip


def outside(folder: Path) -> None:
    """External data that lies above the folder."""
    graph(CONVOLVED, held=[LAYER])(folder)
    model = onnx.load(str(folder / "model.onnx"))
    held = model.graph.initializer[0]
    held.ClearField("raw_data")
    held.data_location = TensorProto.EXTERNAL
    held.external_data.add(key="location", value="../../../../etc/passwd")
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def truncated(folder: Path) -> None:
    """Half of a protobuf."""
    graph(CONVOLVED, held=[LAYER])(folder)
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def wide_onnx(folder: Path) -> None:
    """A million channels in and out, stated without their bytes."""
    graph(CONVOLVED)(folder)
    model = onnx.load(str(folder / "model.onnx"))
    model.graph.initializer.append(
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[10**6, 10**6, 3, 3])
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def cycle() -> list[Any]:
    """Two nodes that wait for each other."""
    return [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Tanh", ["a"], ["b"]),
            helper.make_node("Tanh", ["a"], ["y"])]  # fmt: skip


def vast() -> Writer:
    """An output of 100000 x 100000."""
    shape = constant("shape", np.array([1, 3, 100_000, 100_000], np.int64))
    return graph(
        [helper.make_node("Expand", ["x1", "shape"], ["y"]),
         helper.make_node("ReduceSum", ["x"], ["x1"], keepdims=1)][::-1],
        out=[1, 3, 100_000, 100_000], held=[shape],
    )  # fmt: skip


SHORT = ("--time-limit", "1")
CASES = [
    Case("ONNX: external data that leads out", outside, "cannot be loaded"),
    Case("ONNX: a million channels without their bytes", wide_onnx, ""),
    Case("ONNX: an output of 100000x100000", vast(), "more than"),
    Case("ONNX: a loop of 2^62 trips", loop(2**62), "took longer than 1 s", 4, arguments=SHORT),
    Case("ONNX: a loop that keeps all it makes", loop(2**62, True), "generator failed"),
    Case("ONNX: an unknown operation",
         graph([helper.make_node("Teleport", ["x"], ["y"])]), "cannot be loaded"),
    Case("ONNX: a cycle", graph(cycle()), "cannot be loaded"),
    Case("ONNX: truncated", truncated, "cannot be loaded"),
    Case("ONNX: no protobuf", lambda f: (f / "m.onnx").write_bytes(b"hello"),
         "cannot be loaded"),
]  # fmt: skip
