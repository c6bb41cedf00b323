"""Splits that must be found, whatever the generator is made of."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators import SplitGenerator, split_generator
from tests.generators.toys import ACTIVATIONS, KINDS, METADATA, export, seeded, toy


def assert_exact(split: SplitGenerator, forward: nn.Module) -> None:
    """sigma(L(z)) is what the generator gives, on latents that discovery never saw."""
    latents = split.latent.sample(5, seed=99)
    with torch.no_grad():
        expected = torch.cat([forward(latent) for latent in latents.split(1)])
    outputs, z = split.run(latents)
    rebuilt = split.output_map.activate(split.layer(z)).reshape(expected.shape)
    assert split.sample_shape == expected.shape[1:]
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(rebuilt, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_module(kind: str, activation: str) -> None:
    module = toy(kind, ACTIVATIONS[activation]())
    split = split_generator(module, METADATA)
    assert split.layer.kind == ("conv2d" if kind == "upsample" else kind)
    assert split.output_map.activation == activation
    assert (split.output_map.low, split.output_map.high) == (float(activation != "sigmoid") * -1, 1)
    last = [m for m in module if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))][-1]
    assert torch.equal(split.layer.weight, last.weight)
    assert split.layer.bias is not None
    assert torch.equal(split.layer.bias, last.bias)
    assert_exact(split, module)


@pytest.mark.parametrize("batch", ["dynamic", "one"])
@pytest.mark.parametrize("kind", KINDS)
def test_exported_program(kind: str, batch: str) -> None:
    module = toy(kind)
    program = export(module, batch)
    split = split_generator(program, METADATA, batched=batch == "dynamic")
    plain = split_generator(module, METADATA)
    assert split.layer.sha256() == plain.layer.sha256()
    assert split.decoder_sha256 == plain.decoder_sha256
    assert split.output_map == plain.output_map
    assert_exact(split, module)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_exported_activation(activation: str) -> None:
    split = split_generator(export(toy("linear", ACTIVATIONS[activation]())), METADATA)
    assert split.output_map.activation == activation


def test_a_program_for_one_latent_refuses_to_be_called_batched() -> None:
    from flipad_ops.common.errors import GeneratorUnreadable

    with pytest.raises(GeneratorUnreadable, match=r"failed on latents of shape \(4, 4\)"):
        split_generator(export(toy("linear"), "one"), METADATA)


def test_symbolically_traced_module_is_put_into_evaluation_mode() -> None:
    traced = torch.fx.symbolic_trace(toy("conv_transpose2d")).train()
    split = split_generator(traced, METADATA)
    assert not traced.training
    assert_exact(split, traced)


def test_functional_forward() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Parameter(torch.randn(4, 6, 4, 4))
            self.second = nn.Parameter(torch.randn(6, 3, 3, 3))

        def forward(self, latents: Tensor) -> Tensor:
            x = F.conv_transpose2d(latents[:, :, None, None], self.first).relu_()
            x = F.conv_transpose2d(x, self.second, None, 2, 1, 1)
            return x.tanh_()

    module = seeded(lambda: nn.Sequential(Functional()))
    split = split_generator(module, METADATA)
    assert split.layer.bias is None
    assert split.layer.geometry() == {
        "kind": "conv_transpose2d",
        "input_shape": [6, 4, 4],
        "output_shape": [3, 8, 8],
        "stride": [2, 2],
        "padding": [1, 1],
        "output_padding": [1, 1],
        "dilation": [1, 1],
        "groups": 1,
    }
    assert_exact(split, module)


@pytest.mark.parametrize(
    "last",
    [
        nn.Conv2d(6, 3, (3, 5), stride=(2, 1), padding=(2, 3), dilation=(2, 1), groups=3),
        nn.Conv2d(6, 3, 3, padding="same", padding_mode="zeros"),
        nn.ConvTranspose2d(6, 3, 3, (2, 3), (1, 0), (1, 2), groups=3, dilation=(1, 2)),
    ],
    ids=["strided", "same", "transposed"],
)
def test_geometry_survives(last: nn.Module) -> None:
    module = seeded(lambda: nn.Sequential(*toy("conv_transpose2d")[:4], last, nn.Tanh()))
    assert_exact(split_generator(module, METADATA), module)
    program = export(module)
    assert_exact(split_generator(program, METADATA), program)


@pytest.mark.parametrize("exported", [False, True])
def test_weight_norm_gives_the_effective_weight(exported: bool) -> None:
    last = parametrizations.weight_norm(nn.ConvTranspose2d(6, 3, 4, 2, 1))
    module = seeded(lambda: nn.Sequential(*toy("conv_transpose2d")[:4], last, nn.Tanh()))
    split = split_generator(export(module) if exported else module, METADATA)
    assert torch.equal(split.layer.weight, last.weight)
    assert_exact(split, module)


def test_spectral_norm_in_evaluation_mode() -> None:
    last = parametrizations.spectral_norm(nn.Conv2d(6, 3, 3))
    module = seeded(lambda: nn.Sequential(*toy("conv_transpose2d")[:4], last, nn.Tanh()))
    assert_exact(split_generator(module, METADATA), module)


def test_inference_mode_inside_the_generator() -> None:
    module = toy("conv2d")
    split = split_generator(torch.inference_mode()(module.forward), METADATA)
    assert split.layer.sha256() == split_generator(module, METADATA).layer.sha256()


def test_plain_callable_with_its_own_state() -> None:
    module = toy("conv2d")
    split = split_generator(lambda z: module(z), METADATA, state=module.state_dict())
    assert split.decoder_sha256 == split_generator(module, METADATA).decoder_sha256


@pytest.mark.parametrize("wrap", [lambda x: SimpleNamespace(sample=x), lambda x: (x, None)])
def test_wrapped_outputs(wrap: object) -> None:
    module = toy("conv2d")
    split = split_generator(lambda z: wrap(module(z)), METADATA)  # type: ignore[operator]
    assert split.layer.kind == "conv2d"


def test_faint_output_is_not_taken_for_tanh() -> None:
    module = toy("linear", nn.Identity())
    with torch.no_grad():
        for parameter in module[2].parameters():
            parameter.mul_(0.003)
    split = split_generator(module, METADATA)
    linear = split.layer(split.run(split.latent.sample(4, 0))[1])
    assert 0 < float((linear - linear.tanh()).abs().max()) < 1e-4
    assert split.output_map.activation == "identity"


def test_metadata_overrides_range_and_activation() -> None:
    metadata = {**METADATA, "activation": "identity", "output_range": [0, 2]}
    found = split_generator(toy("linear", nn.Identity()), metadata).output_map
    assert (found.activation, found.low, found.high) == ("identity", 0.0, 2.0)
    with pytest.raises(NotAttributable, match=r"\(sigmoid off by .*\)"):
        split_generator(toy("linear"), {**METADATA, "activation": "sigmoid"})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"activation": "relu"}, "known are tanh, sigmoid, identity"),
        ({"output_range": [1, -1]}, "is not \\[low, high\\]"),
        ({"output_range": [0, float("inf")]}, "is not \\[low, high\\]"),
        ({"output_range": [0, float("nan")]}, "is not \\[low, high\\]"),
        ({"output_range": [0, 1, 2]}, "is not \\[low, high\\]"),
        ({"output_range": 1}, "is not \\[low, high\\]"),
        ({"output_range": ["a", "b"]}, "is not \\[low, high\\]"),
    ],
)
def test_metadata_that_makes_no_sense(extra: dict[str, object], message: str) -> None:
    with pytest.raises(NotAttributable, match=message):
        split_generator(toy("linear"), {**METADATA, **extra})
