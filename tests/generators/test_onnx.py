"""ONNX generators: the last linear node, whatever its padding, and what may follow it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from flipad_ops.common.errors import GeneratorUnreadable, NotAttributable
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.onnx_generator import OnnxGenerator
from flipad_ops.generators.tail import Tail
from tests.generators.graphs import save_graph
from tests.generators.toys import METADATA

CONV = {"w": (3, 6, 3, 3), "b": (3,)}
TRANSPOSED = {"w": (6, 3, 5, 5), "b": (3,)}


def split_file(path: Path) -> SplitGenerator:
    """Split, and check that features, layer and tail give what onnxruntime gives alone."""
    expected = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    generator = OnnxGenerator(path)
    split = split_generator(generator, METADATA, state=generator.state, batched=generator.batched)
    latents = split.latent.sample(3, seed=9)
    outputs, z = split.run(latents)
    rebuilt = split.output_map.activate(split.layer(z)).reshape(outputs.shape)
    pixels = split.output_map.to_pixels
    torch.testing.assert_close(pixels(rebuilt), pixels(outputs), atol=1e-5, rtol=1e-5)
    name = expected.get_inputs()[0].name
    plain = [expected.run(None, {name: each.numpy()})[0] for each in latents.split(1)]
    undone = split.tail.undo(torch.from_numpy(np.concatenate(plain)))
    torch.testing.assert_close(outputs, undone, atol=1e-5, rtol=1e-5)
    return split


@pytest.mark.parametrize(
    ("body", "weights", "kind"),
    [
        ("c = Conv<pads=[1,1,1,1]>(f, w, b) y = Tanh(c)", CONV, "conv2d"),
        ("c = Conv(f, w) y = Sigmoid(c)", CONV, "conv2d"),
        ("c = Conv<auto_pad='SAME_UPPER', strides=[2,2]>(f, w, b) y = Tanh(c)",
         {"w": (3, 6, 4, 4), "b": (3,)}, "conv2d"),
        ("c = Conv<auto_pad='SAME_LOWER'>(f, w, b) y = Tanh(c)",
         {"w": (3, 6, 2, 4), "b": (3,)}, "conv2d"),
        ("c = Conv<pads=[0,2,1,0], group=3, dilations=[1,1]>(f, w, b) y = Tanh(c)",
         {"w": (3, 2, 3, 3), "b": (3,)}, "conv2d"),
        ("c = Conv<auto_pad='VALID', dilations=[2,2]>(f, w, b) y = Tanh(c)", CONV, "conv2d"),
        ("c = ConvTranspose<pads=[1,1,1,1], strides=[2,2]>(f, w, b) y = Tanh(c)",
         TRANSPOSED, "conv_transpose2d"),
        # As Keras exports Conv2DTranspose(3, 5, strides=2, padding='same').
        ("c = ConvTranspose<pads=[1,1,2,2], strides=[2,2]>(f, w, b) y = Tanh(c)",
         TRANSPOSED, "conv_transpose2d"),
        ("c = ConvTranspose<auto_pad='SAME_UPPER', strides=[2,2]>(f, w, b) y = Tanh(c)",
         TRANSPOSED, "conv_transpose2d"),
        ("c = ConvTranspose<output_shape=[10,10], strides=[2,2]>(f, w, b) y = Tanh(c)",
         TRANSPOSED, "conv_transpose2d"),
        ("c = ConvTranspose<pads=[2,1,0,1], strides=[2,2], output_padding=[1,0]>(f, w, b)"
         " y = Tanh(c)", TRANSPOSED, "conv_transpose2d"),
    ],
    ids=["conv", "no bias", "same", "same lower", "uneven", "dilated", "transposed", "keras",
         "transposed same", "output shape", "output padding"],
)  # fmt: skip
def test_convolutions(
    tmp_path: Path, body: str, weights: dict[str, tuple[int, ...]], kind: str
) -> None:
    split = split_file(save_graph(tmp_path, body.replace("'", '"'), weights))
    assert split.layer.kind == kind
    assert (split.layer.bias is None) == (", b)" not in body)


@pytest.mark.parametrize(
    ("last", "weights"),
    [
        ("c = Gemm(r2, w, b)", {"w": (150, 48), "b": (48,)}),
        ("c = Gemm<transB=1, alpha=0.5, beta=2.0>(r2, w, b)", {"w": (48, 150), "b": (48,)}),
        ("c = MatMul(r2, w)", {"w": (150, 48)}),
        ("m = MatMul(r2, w) c = Add(b, m)", {"w": (150, 48), "b": (48,)}),
    ],
)
def test_linear(tmp_path: Path, last: str, weights: dict[str, tuple[int, ...]]) -> None:
    body = f"r2 = Flatten(f) {last} t = Tanh(c) y = Reshape(t, shape)"
    shape = {"shape": np.array([0, 3, 4, 4], np.int64)}
    split = split_file(save_graph(tmp_path, body, weights, constants=shape))
    assert (split.layer.kind, split.sample_shape) == ("linear", (3, 4, 4))
    assert (split.layer.bias is None) == ("b" not in weights)


@pytest.mark.parametrize(
    ("after", "tail"),
    [
        ("t = Tanh(c) p = Add(t, one) y = Div(p, two)", Tail(0.5, 0.5)),
        ("m = Div(c, two) p = Add(m, half) y = Clip(p, zero, one)", Tail(0.5, 0.5, (0.0, 1.0))),
        ("t = Tanh(c) y = Transpose<perm=[0,2,3,1]>(t)", Tail(channels_last=True)),
        ("n = Neg(c) e = Exp(n) p = Add(e, one) y = Div(one, p)", Tail()),
    ],
    ids=["to pixels", "clamped", "channels last", "sigmoid in parts"],
)
def test_tails(tmp_path: Path, after: str, tail: Tail) -> None:
    constants = {"zero": 0.0, "one": 1.0, "two": 2.0, "half": 0.5}
    scalars = {name: np.array(value, np.float32) for name, value in constants.items()}
    path = save_graph(
        tmp_path, f"c = Conv<pads=[1,1,1,1]>(f, w, b) {after}", CONV, constants=scalars
    )
    assert split_file(path).tail == tail


@pytest.mark.parametrize(
    ("body", "weights", "reason"),
    [
        ("c = Conv(f, w) y = Softmax<axis=1>(c)", CONV, "Softmax .*follows"),
        ("c = Conv(f, w) t = Tanh(c) y = GlobalAveragePool(t)", CONV, "GlobalAveragePool"),
        ("c = Conv(f, w) d = Conv(f, w) s = Add(c, d) y = Tanh(s)", CONV, "joins 2 branches"),
        ("c = Conv(f, w) s = Add(c, c) y = Tanh(s)", CONV, "joins 2 branches"),
        ("c = Conv(f, w) y = Relu(c)", CONV, "not an invertible activation"),
        ("g = ReduceSum<keepdims=1>(z) m = Mul(w, g) c = Conv(f, m) y = Tanh(c)", CONV,
         "modulation"),
        ("y = Tanh(f)", {}, "not an invertible activation"),
        ("c = Conv<pads=[0,0,1,1], dilations=[2,2]>(f, w) y = Tanh(c)", CONV, "equal padding"),
    ],
)  # fmt: skip
def test_refusals(
    tmp_path: Path, body: str, weights: dict[str, tuple[int, ...]], reason: str
) -> None:
    path = save_graph(tmp_path, body, weights, latent="1, 4" if "Reduce" in body else "N, 4")
    with pytest.raises(NotAttributable, match=reason) as caught:
        split_file(path)
    assert "\n" not in str(caught.value)


def test_batch_sizes_and_latent_shape(tmp_path: Path) -> None:
    body = "c = Conv(f, w, b) y = Tanh(c)"
    assert OnnxGenerator(save_graph(tmp_path, body, CONV)).latent_shape == (4,)
    one = OnnxGenerator(save_graph(tmp_path, body, CONV, latent="1, 4"))
    assert not one.batched
    assert not split_file(tmp_path / "model.onnx").batched
    with pytest.raises(GeneratorUnreadable, match="exactly 8") as caught:
        OnnxGenerator(save_graph(tmp_path, body, CONV, latent="8, 4"))
    assert "dynamic batch" in caught.value.remedy
    loose = OnnxGenerator(save_graph(tmp_path, body, CONV, latent="N, K"))
    assert (loose.batched, loose.latent_shape) == (True, None)


def test_computed_weights_and_double_precision(tmp_path: Path) -> None:
    body = "t = Transpose<perm=[1,0,2,3]>(v) k = Mul(t, t) c = Conv(f, k) y = Tanh(c)"
    split = split_file(save_graph(tmp_path, body, {"v": (6, 3, 3, 3)}))
    assert tuple(split.layer.weight.shape) == (3, 6, 3, 3)


def test_runs_on_cpu_and_says_so(tmp_path: Path) -> None:
    path = save_graph(tmp_path, "c = Conv(f, w, b) y = Tanh(c)", CONV)
    generator = OnnxGenerator(path)
    assert (generator.provider, generator.on_device) == ("CPUExecutionProvider", True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        elsewhere = OnnxGenerator(path, "cuda")
    assert elsewhere.on_device == ("CUDA" in elsewhere.provider)


def test_external_data(tmp_path: Path) -> None:
    path = save_graph(tmp_path, "c = Conv(f, w, b) y = Tanh(c)", CONV)
    inside = split_file(path)
    folder = tmp_path / "inner"
    folder.mkdir()
    outer = folder / "model.onnx"
    onnx.save(
        onnx.load(str(path)), str(outer), save_as_external_data=True, location="weights.bin",
        size_threshold=100,
    )  # fmt: skip
    split = split_file(outer)
    assert split.decoder_sha256 == inside.decoder_sha256
    assert split.layer.sha256() == inside.layer.sha256()
    model = onnx.load(str(outer), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../weights.bin"
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    onnx.save(model, str(outer))
    with pytest.raises(onnx.checker.ValidationError, match=r"\.\."):
        OnnxGenerator(outer)
