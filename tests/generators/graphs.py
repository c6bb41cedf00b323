"""ONNX generators written as text, with seeded random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

#: Latents (n, 4) to features (n, 6, 5, 5), never negative.
HEAD = """
    h = MatMul(z, head)
    r = Reshape(h, feature_shape)
    f = Relu(r)
"""


def save_graph(
    folder: Path,
    body: str,
    weights: dict[str, tuple[int, ...]],
    *,
    head: str = HEAD,
    latent: str = "N, 4",
    out: str = "float y",
    opset: int = 18,
    constants: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write `z -> head -> body -> y`; every weight is drawn from a fixed seed."""
    rng = np.random.default_rng(0)
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[{latent}] z) => ({out})'
    model = onnx.parser.parse_model(f"{text} {{ {head} {body} }}")
    shapes = {"head": (4, 150), **weights} if head == HEAD else weights
    for name, shape in shapes.items():
        values = rng.normal(size=shape, scale=0.4).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    constants = {"feature_shape": np.array([0, 6, 5, 5], np.int64), **(constants or {})}
    for name, array in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path
