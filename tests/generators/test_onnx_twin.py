"""ONNX graphs run in torch: onnxruntime's pixels, and gradients to the latents."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.onnx_generator import OnnxGenerator
from tests.generators.graphs import save_graph
from tests.generators.test_differentiable import assert_pixels_are_the_samples
from tests.generators.toys import KINDS, METADATA, toy

CONV = {"w": (3, 6, 3, 3), "b": (3,)}
WIDE = {"w": (6, 3, 5, 5), "b": (3,)}
PAIR = {**CONV, "s": (6,), "t": (6,)}
#: From `q` (n, 6, height, width) to images.
LAST = " c = Conv<pads=[1,1,1,1]>(q, w, b) y = Tanh(c)"
CONSTANTS = {
    "two": np.array([2, 3]), "halves": np.array([2, 4]), "one": np.array([1]),
    "far": np.array([2**62]), "back": np.array([-(2**62)]), "minus": np.array([-1]),
    "axis": np.array([3]), "pads": np.array([0, 0, 1, 2, 0, 0, 2, 0]),
    "scales": np.array([1, 1, 2, 2], np.float32), "variance": np.full(6, 1.5, np.float32),
    "flat": np.array([0, 3, 4, 4]), "order": np.array([5, -2, 3, 0, 1, 2]),
    "zero": np.array(0.0, np.float32), "alpha": np.array(0.3, np.float32),
    "doubled": np.array([1, 1, 2, 1]), "shape5": np.array([5]), "six": np.array([1, 6, 1, 1]),
}  # fmt: skip


def load(path: Path, metadata: dict[str, Any] = METADATA) -> SplitGenerator:
    generator = OnnxGenerator(path)
    return split_generator(generator, metadata, state=generator.state, batched=generator.batched)


def graph(folder: Path, body: str, weights: dict[str, tuple[int, ...]], **fields: Any) -> Path:
    body = body.replace("'", '"')
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    constants = {name: value for name, value in CONSTANTS.items() if name in words}
    return save_graph(folder, body, weights, constants=constants, **fields)


@pytest.mark.parametrize("latent", ["N, 4", "1, 4"])
@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ("c = Conv<auto_pad='SAME_UPPER', strides=[2,2]>(f, w, b) y = Tanh(c)",
         {"w": (3, 6, 4, 4), "b": (3,)}),
        ("c = Conv<auto_pad='SAME_LOWER'>(f, w) y = Sigmoid(c)", {"w": (3, 6, 2, 4)}),
        ("c = Conv<pads=[0,2,1,0], group=3>(f, w, b) y = Tanh(c)", {"w": (3, 2, 3, 3), "b": (3,)}),
        ("c = ConvTranspose<pads=[1,1,2,2], strides=[2,2]>(f, w, b) y = Tanh(c)", WIDE),
        ("c = ConvTranspose<auto_pad='SAME_UPPER', strides=[2,2]>(f, w, b) y = Tanh(c)", WIDE),
        ("c = ConvTranspose<output_shape=[10,10], strides=[2,2]>(f, w, b) y = Tanh(c)", WIDE),
        ("c = ConvTranspose<pads=[2,1,0,1], strides=[2,2], output_padding=[1,0]>(f, w, b)"
         " y = Tanh(c)", WIDE),
        ("u = Transpose<perm=[1,0,2,3]>(v) k = Mul(u, u) c = Conv(f, k) y = Tanh(c)",
         {"v": (6, 3, 3, 3)}),
        ("c = Conv<pads=[1,1,1,1]>(f, w, b) a = Tanh(c) y = Transpose<perm=[0,2,3,1]>(a)", CONV),
        ("r2 = Flatten(f) c = Gemm<transB=1, alpha=0.5, beta=2.0>(r2, w, b) a = Tanh(c)"
         " y = Reshape(a, flat)", {"w": (48, 150), "b": (48,)}),
        ("g = Neg(f) e = Exp(g) q = Softplus(e)" + LAST, CONV),
        ("l = LeakyRelu<alpha=0.2>(h) r5 = Reshape(l, feature_shape) q = Elu(r5)" + LAST, CONV),
        ("q = InstanceNormalization(f, s, t)" + LAST, PAIR),
        ("q = BatchNormalization(f, s, t, s, variance)" + LAST, PAIR),
        ("q = LayerNormalization<axis=1>(f, s5, t5)" + LAST,
         {**CONV, "s5": (6, 5, 5), "t5": (6, 5, 5)}),
        ("m = ReduceMean(f, two) k = ReduceL2(f, two) d = Sub(f, m) q = Div(d, k)" + LAST, CONV),
        ("q0, q1 = Split<axis=1>(f, halves) q = Concat<axis=1>(q1, q0)" + LAST, CONV),
        ("q = Slice(f, one, far, axis)" + LAST, CONV),
        ("q = Slice(f, minus, back, axis, minus)" + LAST, CONV),
        ("q = Gather<axis=1>(f, order)" + LAST, CONV),
        ("q = Tile(f, doubled)" + LAST, CONV),
        ("e = Shape(f) k = ConstantOfShape(e) p = Greater(f, alpha) q = Where(p, f, k)" + LAST,
         CONV),
        ("q = Pad<mode='reflect'>(f, pads)" + LAST, CONV),
        ("q = Pad<mode='edge'>(f, pads)" + LAST, CONV),
        ("q = Pad(f, pads)" + LAST, CONV),
        ("q = Resize<mode='nearest', coordinate_transformation_mode='asymmetric',"
         " nearest_mode='floor'>(f, , scales)" + LAST, CONV),
        ("q = Resize<mode='linear'>(f, , scales)" + LAST, CONV),
        ("q = Resize<mode='cubic'>(f, , scales)" + LAST, CONV),
        ("q = Clip(f, alpha)" + LAST, CONV),
        ("u = Softmax<axis=1>(f) k = Sqrt(f) p = Mul(u, k) q = Max(p, zero)" + LAST, CONV),
    ],
)  # fmt: skip
def test_operators(
    tmp_path: Path, body: str, weights: dict[str, tuple[int, ...]], latent: str
) -> None:
    assert_pixels_are_the_samples(load(graph(tmp_path, body, weights, latent=latent)))


@pytest.mark.parametrize(
    ("body", "weights", "reason"),
    [
        ("q = LRN<size=3>(f)" + LAST, CONV, r"without a counterpart here \(LRN\)"),
        ("q = Resize<mode='linear', coordinate_transformation_mode='asymmetric'>(f, , scales)"
         + LAST, CONV, "Resize: linear resizing with asymmetric coordinates"),
        # Rounds the other way than torch.
        ("q = Resize<mode='nearest', nearest_mode='ceil'>(f, , scales)" + LAST, CONV,
         "pixels differ by up to"),
    ],
)  # fmt: skip
def test_what_does_not_run_in_torch_is_said(
    tmp_path: Path, body: str, weights: dict[str, tuple[int, ...]], reason: str
) -> None:
    found = load(graph(tmp_path, body, weights)).why_not_differentiable
    assert re.search(reason, found), found
    assert "\n" not in found


def exported(module: nn.Module, path: Path, latent: tuple[int, ...], dynamo: bool) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            program = torch.onnx.export(
                module, (torch.randn(2, *latent),), dynamo=True, verbose=False,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            )  # fmt: skip
            assert program is not None
            onnx.save(program.model_proto, str(path))
        else:
            torch.onnx.export(
                module, (torch.randn(2, *latent),), str(path), dynamo=False,
                input_names=["z"], dynamic_axes={"z": {0: "n"}},
            )  # fmt: skip
    return path


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_exports(tmp_path: Path, kind: str, dynamo: bool) -> None:
    module = toy(kind)
    split = load(exported(module, tmp_path / "model.onnx", (4,), dynamo))
    assert_pixels_are_the_samples(split)
    latents = split.latent.sample(2, seed=1).requires_grad_()
    found = torch.autograd.grad(split.pixels(latents).square().sum(), latents)[0]
    same = split_generator(module, METADATA)
    expected = torch.autograd.grad(same.pixels(latents).square().sum(), latents)[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


class Attending(nn.Module):
    """Group norm, attention, bilinear upsampling and a gate, as decoders of latents have them."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.norm = nn.Conv2d(4, 8, 3, padding=1), nn.GroupNorm(4, 8)
        self.qkv, self.last = nn.Linear(8, 24), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        h = self.norm(self.start(latents))
        flat = h.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(flat).chunk(3, dim=-1)
        weights = (q @ k.transpose(1, 2) / math.sqrt(8)).softmax(dim=-1)
        h = h + (weights @ v).transpose(1, 2).reshape(h.shape)
        h = nn.functional.silu(h)
        return self.last(nn.functional.interpolate(h, scale_factor=2.0, mode="bilinear"))


@pytest.mark.parametrize("dynamo", [True, False])
def test_a_decoder_with_attention(tmp_path: Path, dynamo: bool) -> None:
    torch.manual_seed(0)
    path = exported(Attending().eval(), tmp_path / "model.onnx", (4, 6, 6), dynamo)
    split = load(path, {"latent": {"shape": [4, 6, 6]}, "output_range": [-1, 1]})
    assert_pixels_are_the_samples(split)
