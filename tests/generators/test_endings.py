"""Endings that are linear but not last: folded into the layer, which then makes the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.real_parts.compact_upscaler import compact_upscaler
from benchmarks.regeneration_parts.folders import real_generators
from flipad_ops.generators import FinalLayer, SplitGenerator, split_generator
from flipad_ops.generators.onnx_generator import OnnxGenerator
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from tests.generators.graphs import save_graph
from tests.generators.toys import METADATA, Reshape, export, seeded, toy

STATED = {**METADATA, "output_range": [-1, 1]}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Call = Callable[[Tensor], Tensor]


class Then(nn.Module):
    """A generator, and what follows its last layer."""

    def __init__(self, body: nn.Module, ending: Call) -> None:
        super().__init__()
        self.body, self.ending = body, ending

    def forward(self, z: Tensor) -> Tensor:
        return self.ending(self.body(z))


def head(channels: int, kind: str = "conv2d") -> nn.Module:
    """Latents (n, 4) to (n, channels, 8, 8), of either sign."""
    last: nn.Module = nn.Conv2d(6, channels, 3, padding=1)
    if kind == "conv_transpose2d":
        last = nn.ConvTranspose2d(6, channels, 4, 2, 1)
    side = 8 if kind == "conv2d" else 4
    return seeded(
        lambda: nn.Sequential(nn.Linear(4, 6 * side**2), Reshape(6, side, side), nn.ReLU(), last)
    )


def norm(channels: int) -> nn.Module:
    layer = nn.BatchNorm2d(channels)
    with torch.no_grad():
        layer.running_mean.copy_(torch.tensor([0.1, -0.2, 0.3]))
        layer.running_var.copy_(torch.tensor([0.5, 1.5, 0.8]))
        layer.weight.copy_(torch.tensor([1.1, 0.7, -0.9]))
        layer.bias.copy_(torch.tensor([0.2, 0.0, -0.1]))
    return layer.eval()


def tensorflow_shuffle(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    split = x.reshape(n, 2, 2, channels // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return split.reshape(n, channels // 4, 2 * height, 2 * width)


def by_channel(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None, None]


#: Channels of the last convolution, its kind, what follows, and what is said of it.
ENDINGS: dict[str, tuple[int, str, Call, str]] = {
    "pixel shuffle": (12, "conv2d", lambda x: F.pixel_shuffle(x, 2), "pixel shuffle by 2"),
    "pixel shuffle, tanh": (12, "conv2d", lambda x: F.pixel_shuffle(x, 2).tanh(), "pixel shuffle"),
    "pixel shuffle by 3, sigmoid": (27, "conv2d", lambda x: F.pixel_shuffle(x, 3).sigmoid(),
                                    "pixel shuffle by 3"),
    "depth to space": (12, "conv2d", lambda x: tensorflow_shuffle(x).tanh(), "pixel shuffle by 2"),
    "nearest": (3, "conv2d", lambda x: F.interpolate(x, scale_factor=2).tanh(), "repeated 2 times"),
    "BGR": (3, "conv2d", lambda x: x.tanh().flip(1), "BGR"),
    "BGR of a deconvolution": (3, "conv_transpose2d", lambda x: x.tanh().flip(1), "BGR"),
    "mirrored": (3, "conv2d", lambda x: x.tanh().flip(3), "left to right"),
    "upside down, transposed": (3, "conv_transpose2d", lambda x: x.tanh().flip(2), "upside down"),
    "negative of a sigmoid": (3, "conv2d", lambda x: 1 - x.sigmoid(), "scaled and shifted"),
    "hard sigmoid": (3, "conv2d", F.hardsigmoid, "scaled and shifted by channel"),
    "turned around": (3, "conv2d", lambda x: x.flip(2, 3).sigmoid(), "upside down and left to"),
    "batch norm, tanh": (3, "conv2d", lambda x: norm(3)(x).tanh(), "scaled and shifted"),
    "batch norm, deconvolution": (3, "conv_transpose2d", lambda x: norm(3)(x).sigmoid(), "scaled"),
    "ImageNet's mean and deviation": (3, "conv2d", lambda x: x * by_channel(STD) + by_channel(MEAN),
                                      "scaled and shifted by channel"),
    "ImageNet's, clamped": (3, "conv2d",
                            lambda x: (x * by_channel(STD) + by_channel(MEAN)).clamp(0, 1),
                            "scaled and shifted by channel"),
    "shuffle, BGR, 0 to 255, channels last": (
        12, "conv2d", lambda x: ((F.pixel_shuffle(x, 2).tanh() + 1) * 127.5).flip(1)
        .permute(0, 2, 3, 1), "pixel shuffle by 2, channels reversed (BGR)"),
}  # fmt: skip


#: Those whose own range is not [-1, 1].
NO_RANGE = {
    "hard sigmoid",
    "negative of a sigmoid",
    "ImageNet's, clamped",
    "shuffle, BGR, 0 to 255, channels last",
}


def assert_folded(split: SplitGenerator, module: Call) -> None:
    """What the folded layer makes of the folded activations is what the generator returns."""
    latents = split.latent.sample(5, seed=3)
    outputs, z = split.run(latents)
    assert tuple(z.shape[1:]) == split.layer.input_shape
    assert split.sample_shape == split.layer.output_shape
    rebuilt = split.output_map.activate(split.layer(z))
    pixels = split.output_map.to_pixels
    torch.testing.assert_close(pixels(rebuilt), pixels(outputs), atol=1e-4, rtol=0)
    with torch.no_grad():
        made = module(latents)
    undone = split.tail.undo(made.float())
    torch.testing.assert_close(pixels(undone), pixels(outputs), atol=1e-5, rtol=0)
    assert split.why_not_differentiable == ""


def assert_inverts(split: SplitGenerator) -> None:
    """An inversion of own pixels explains them."""
    anchor = split.mean_activation(64, seed=0)
    settings = InversionSettings(alpha=1e-4, max_iterations=400, tolerance=0.01)
    inverter = FinalLayerInverter(split.layer, split.output_map, anchor, settings)
    pixels = split.sample(2, seed=5)
    z = inverter.invert(pixels).z
    made = split.output_map.to_pixels(split.output_map.activate(split.layer(z)))
    assert float((made - pixels).abs().mean()) < 0.02


@pytest.mark.parametrize("program", [False, True], ids=["module", "exported"])
@pytest.mark.parametrize("form", ENDINGS)
def test_folded(form: str, program: bool) -> None:
    channels, kind, ending, said = ENDINGS[form]
    module: Call = Then(head(channels, kind), ending).eval()
    if program:
        module = export(module)  # type: ignore[arg-type]
    split = split_generator(module, METADATA if form in NO_RANGE else STATED)
    assert said in str(split.ending)
    assert_folded(split, module)
    assert_inverts(split)


class Upscaler(nn.Module):
    """As Real-ESRGAN's compact one: convolutions, a shuffle, plus the enlarged input."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.body = seeded(
            lambda: nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(8),
                nn.Conv2d(8, 3 * factor**2, 3, padding=1),
            )
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        made = F.pixel_shuffle(self.body(x), self.factor)
        return made + F.interpolate(x, scale_factor=self.factor, mode="nearest")


@pytest.mark.parametrize("program", [False, True], ids=["module", "exported"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_residual_upscaler(factor: int, program: bool) -> None:
    module: Call = Upscaler(factor)
    if program:
        module = export(module, shape=(3, 8, 8))  # type: ignore[arg-type]
    metadata = {"latent": {"shape": [3, 8, 8]}, "output_range": [-3, 3]}
    split = split_generator(module, metadata)
    assert str(split.ending) == f"pixel shuffle by {factor}, the enlarged input added"
    assert split.layer.kind == "conv_transpose2d"
    assert split.layer.input_shape == (11, 8, 8)
    assert_folded(split, module)
    assert_inverts(split)


class Patches(nn.Module):
    """A linear layer by patch, put in order: the end of a diffusion transformer."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.body = seeded(
            lambda: nn.Sequential(
                nn.Linear(4, 16 * 5), Reshape(16, 5), nn.ReLU(), nn.Linear(5, 3 * patch**2)
            )
        )

    def forward(self, z: Tensor) -> Tensor:
        p = self.patch
        made = self.body(z).reshape(-1, 4, 4, p, p, 3)
        return torch.einsum("nhwpqc->nchpwq", made).reshape(-1, 3, 4 * p, 4 * p).tanh()


@pytest.mark.parametrize("patch", [2, 4])
def test_patches_in_order(patch: int) -> None:
    split = split_generator(Patches(patch), METADATA)
    assert str(split.ending) == "patches put in order"
    assert_folded(split, Patches(patch))
    assert_inverts(split)


#: How people make a file's bytes of an image, and the outputs that are black and white then.
BYTES: dict[str, tuple[Call, tuple[float, float]]] = {
    "StyleGAN's": (lambda x: (x.tanh() * 127.5 + 128).clamp(0, 255).to(torch.uint8), (0.5, 255.5)),
    "rounded": (lambda x: ((x.tanh() + 1) * 127.5).round().to(torch.uint8), (0.0, 255.0)),
    "cut off": (lambda x: (x.sigmoid() * 255).byte(), (0.5, 255.5)),
    "torchvision's": (lambda x: x.mul(255).add(0.5).clamp(0, 255).to(torch.uint8), (0.5, 255.5)),
}


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("form", BYTES)
def test_whole_numbers(form: str, last: bool) -> None:
    ending, span = BYTES[form]
    body = head(3)
    if form == "torchvision's":
        with torch.no_grad():
            body[3].weight.div_(12)  # type: ignore[index,union-attr]
            body[3].bias.fill_(0.5)  # type: ignore[index,union-attr]

    def made(x: Tensor) -> Tensor:
        return ending(x).permute(0, 2, 3, 1) if last else ending(x)

    module = Then(body, made).eval()
    split = split_generator(module, METADATA)
    low, high = split.tail.undo_range(span)
    assert split.output_map.low == pytest.approx(low, abs=1e-6)
    assert split.output_map.high == pytest.approx(high, abs=1e-6)
    latents = split.latent.sample(50, seed=3)
    pixels = split.output_map.to_pixels(split.run(latents)[0])
    stored = (split.grid.round(pixels) * 255).round()
    bytes_ = module(latents).movedim(-1, 1) if last else module(latents)
    between = (pixels * 255 - (pixels * 255).floor() - 0.5).abs() < 0.01  # rounds either way
    assert torch.equal(stored[~between], bytes_.float()[~between])
    assert float((stored - bytes_.float()).abs().max()) <= 1
    # torch.round has no gradient, whoever leaves it out below.
    assert split.why_not_differentiable.startswith("No gradient" if form == "rounded" else "")
    assert (form == "rounded") == bool(split.why_not_differentiable)


def test_a_plain_layer_has_no_ending() -> None:
    assert split_generator(toy("conv2d"), METADATA).ending is None


def test_a_stored_layer_with_a_bias_by_place() -> None:
    split = split_generator(Then(head(12), lambda x: F.pixel_shuffle(x, 2).tanh()), METADATA)
    assert split.layer.bias is not None
    assert tuple(split.layer.bias.shape) == split.layer.output_shape
    again = FinalLayer.from_parts(split.layer.geometry(), split.layer.tensors())
    assert again.sha256() == split.layer.sha256()


#: ONNX graphs behind the features (n, 6, 5, 5), their weights, and what is said of the ending.
ONNX: dict[str, tuple[str, dict[str, tuple[int, ...]], str]] = {
    "depth to space, torch's order": (
        'c = Conv<pads=[1,1,1,1]>(f, w, b) s = DepthToSpace<blocksize=2, mode="CRD">(c) '
        "y = Tanh(s)", {"w": (12, 6, 3, 3), "b": (12,)}, "pixel shuffle by 2"),
    "depth to space, TensorFlow's order": (
        "c = Conv<pads=[1,1,1,1]>(f, w, b) s = DepthToSpace<blocksize=2>(c) y = Sigmoid(s)",
        {"w": (12, 6, 3, 3), "b": (12,)}, "pixel shuffle by 2"),
    "BGR": ("c = Conv<pads=[1,1,1,1]>(f, w, b) t = Tanh(c) y = Gather<axis=1>(t, backwards)",
            {"w": (3, 6, 3, 3), "b": (3,)}, "BGR"),
    "batch norm": (
        "c = Conv<pads=[1,1,1,1]>(f, w, b) n = BatchNormalization(c, one, zero, zero, half) "
        "y = Tanh(n)", {"w": (3, 6, 3, 3), "b": (3,)}, ""),
}  # fmt: skip


@pytest.mark.parametrize("form", ONNX)
def test_onnx(form: str, tmp_path: Path) -> None:
    body, weights, said = ONNX[form]
    ones = np.ones(3, np.float32)
    constants = {
        "backwards": np.array([2, 1, 0]),
        "one": ones,
        "zero": 0 * ones,
        "half": np.array([0.5, 1.0, 2.0], np.float32),
    }
    path = save_graph(tmp_path, body, weights, constants=constants)
    generator = OnnxGenerator(path)
    split = split_generator(generator, METADATA, state=generator.state, batched=generator.batched)
    assert split.ending is not None
    assert said in str(split.ending)
    assert_folded(split, generator)


def test_onnx_of_a_residual_upscaler(tmp_path: Path) -> None:
    head = "f = Conv<pads=[1,1,1,1]>(z, w0) "
    body = (
        'c = Conv<pads=[1,1,1,1]>(f, w, b) s = DepthToSpace<blocksize=2, mode="CRD">(c) '
        'u = Resize<mode="nearest", coordinate_transformation_mode="asymmetric", '
        'nearest_mode="floor">(z, nothing, scales) y = Add(s, u)'
    )
    weights = {"w0": (6, 3, 3, 3), "w": (12, 6, 3, 3), "b": (12,)}
    constants = {
        "nothing": np.zeros(0, np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    path = save_graph(
        tmp_path, body, weights, head=head, latent="N, 3, 6, 6", constants=constants
    )  # fmt: skip
    generator = OnnxGenerator(path)
    stated = {"latent": {"shape": [3, 6, 6]}, "output_range": [-4, 4]}
    split = split_generator(generator, stated, state=generator.state, batched=generator.batched)
    assert str(split.ending) == "pixel shuffle by 2, the enlarged input added"
    assert_folded(split, generator)


@pytest.mark.skipif(
    real_generators() is None, reason="FLIPAD_REAL_GENERATORS names no folder of real generators."
)
def test_the_real_compact_upscaler() -> None:
    module = compact_upscaler()
    source = torch.Generator().manual_seed(0)
    rough = torch.rand(40, 3, 4, 4, generator=source)
    pictures = F.interpolate(rough, size=(12, 12), mode="bicubic").clamp(0, 1)
    metadata = {"latent": {"shape": [3, 12, 12], "distribution": "recorded"}}
    split = split_generator(module, metadata, latents=pictures)
    assert str(split.ending) == "pixel shuffle by 4, the enlarged input added"
    assert (split.output_map.low, split.output_map.high) == (0.0, 1.0)
    outputs, z = split.run(pictures[:3])
    torch.testing.assert_close(split.layer(z), outputs, atol=1e-5, rtol=0)
    assert split.encode is not None
