"""Gradients to latents through every kind of generator, and encoders that modules bring."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.differentiable import let_gradients_through
from tests.generators.test_modulated import METADATA as STYLED
from tests.generators.test_modulated import Skip
from tests.generators.toys import KINDS, METADATA, export, toy


def assert_pixels_are_the_samples(split: SplitGenerator) -> None:
    """Values as `run` gives them, and a gradient to every latent, the parameters left alone."""
    assert split.why_not_differentiable == ""
    latents = split.latent.sample(3, seed=5)
    expected = split.output_map.to_pixels(split.run(latents)[0])
    latents.requires_grad_()
    pixels = split.pixels(latents)
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels.detach(), expected, atol=1e-6, rtol=1e-5)
    pixels.square().sum().backward()
    assert latents.grad is not None
    assert bool(latents.grad.flatten(1).any(dim=1).all())
    parameters = getattr(split.forward, "parameters", list)()
    assert all(each.grad is None for each in parameters)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["module", "dynamic", "one", "script"])
def test_every_form_of_a_generator(kind: str, form: str) -> None:
    module: Any = toy(kind)
    if form == "script":
        module = torch.jit.script(module)
    elif form != "module":
        module = export(module, form)
    split = split_generator(module, METADATA, batched=form != "one")
    assert_pixels_are_the_samples(split)
    assert split.encode is None
    if form == "module":
        assert all(each.requires_grad for each in module.parameters())


class Made(NamedTuple):
    sample: Tensor


class Wrapped(nn.Module):
    """Pixels in [0, 1], channels last, in an object or a tuple."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.net, self.wrap = toy("conv2d"), wrap

    def forward(self, latents: Tensor) -> Any:
        return self.wrap((self.net(latents) + 1).movedim(1, -1) / 2)


@pytest.mark.parametrize("wrap", [Made, lambda x: (x, None), lambda x: x])
def test_tails_and_what_holds_the_images(wrap: Any) -> None:
    split = split_generator(Wrapped(wrap), METADATA)
    assert split.tail.channels_last
    assert_pixels_are_the_samples(split)


@pytest.mark.parametrize("fused", [True, False])
def test_modulated_layers_and_skip_images(fused: bool) -> None:
    assert_pixels_are_the_samples(split_generator(Skip(fused).eval(), STYLED))


def test_a_table() -> None:
    span = {"low": 0, "high": 90, "step": 1}
    columns = {"columns": [{"name": "age", **span}, {"name": "visits", **span}]}
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh())
    assert_pixels_are_the_samples(split_generator(module, {**METADATA, **columns}))


def test_a_pixel_beyond_white_can_come_back() -> None:
    """An identity generator is clamped by the file; its gradient is not."""
    split = split_generator(toy("conv2d", nn.Identity()), METADATA)
    latents = (20 * split.latent.sample(2, seed=1)).requires_grad_()
    pixels = split.pixels(latents)
    assert float(pixels.detach().min()) == 0
    assert float(pixels.detach().max()) == 1
    full = pixels == 1
    (gradient,) = torch.autograd.grad(pixels[full].sum(), latents)
    assert bool(gradient.any())


class Blocked(nn.Module):
    def __init__(self, way: str) -> None:
        super().__init__()
        self.net, self.way = toy("conv_transpose2d"), way

    def forward(self, latents: Tensor) -> Tensor:
        if self.way == "detach":
            latents = latents.detach()
        elif self.way == "no_grad":
            with torch.no_grad():
                return self.net(latents)
        elif self.way == "inside":
            with torch.no_grad():
                latents = self.net[:4](latents)
            return self.net[4:](latents)
        return self.net(latents)


@pytest.mark.parametrize("batch", ["dynamic", "one"])
@pytest.mark.parametrize("way", ["detach", "no_grad", "inside"])
def test_an_exported_program_forgets_what_kept_gradients_back(way: str, batch: str) -> None:
    module = Blocked(way).eval()
    assert "torch.no_grad" in split_generator(module, METADATA).why_not_differentiable
    program = export(module, batch)
    let_gradients_through(program)
    split = split_generator(program, METADATA, batched=batch == "dynamic")
    assert_pixels_are_the_samples(split)
    assert split.decoder_sha256 == split_generator(module, METADATA).decoder_sha256


class Failing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError("no backward.")


class NotANumber(Failing):
    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] * torch.nan


@pytest.mark.parametrize(
    ("step", "reason"),
    [(Failing, "cannot be computed: no backward."), (NotANumber, "NaN or infinite")],
)
def test_gradients_that_are_of_no_use(step: Any, reason: str) -> None:
    class Stepped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = toy("conv2d")

        def forward(self, latents: Tensor) -> Tensor:
            return self.net(step.apply(latents))

    found = split_generator(Stepped(), METADATA).why_not_differentiable
    assert reason in found
    assert found.count(".") == 1


def test_samples_in_the_place_of_a_model() -> None:
    samples = torch.rand(4, 3, 8, 8) * 2 - 1
    split = split_generator(lambda x: x, {"samples": "a.safetensors"}, latents=samples)
    assert "no generator to run" in split.why_not_differentiable
    assert split.encode is None


class Encoding(nn.Module):
    """Its encoder is the exact inverse: a square linear layer that returns 0 to 255."""

    def __init__(self, encode: Any = None) -> None:
        super().__init__()
        self.net = nn.Linear(12, 12)
        self.ask = encode

    def forward(self, latents: Tensor) -> Tensor:
        return 127.5 * (self.net(latents).tanh() + 1).reshape(-1, 3, 2, 2)

    def encode(self, images: Tensor) -> Any:
        if self.ask is not None:
            return self.ask(images)
        inside = torch.atanh((images.flatten(1) / 127.5 - 1).clamp(-0.9999, 0.9999))
        return torch.linalg.solve(self.net.weight, (inside - self.net.bias).T).T


def test_an_encoder_sees_images_as_the_generator_returns_them() -> None:
    split = split_generator(Encoding(), {"latent": {"shape": [12]}})
    assert split.encode is not None
    latents = split.latent.sample(5, seed=3)
    with torch.no_grad():
        found = split.encode(split.pixels(latents))
    torch.testing.assert_close(found, latents, atol=1e-2, rtol=1e-2)
    pixels = split.sample(2, seed=1).requires_grad_()
    (gradient,) = torch.autograd.grad(split.encode(pixels).sum(), pixels)
    assert bool(gradient.any())


@pytest.mark.parametrize(
    "other",
    [lambda x: (x, x), lambda x: x, lambda x: x.flatten(1) / 0, lambda x: x.missing],
)
def test_a_method_of_that_name_that_does_something_else_is_no_encoder(other: Any) -> None:
    assert split_generator(Encoding(other), {"latent": {"shape": [12]}}).encode is None
