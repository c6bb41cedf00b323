"""Discovery and verification of G = sigma o L o F on generators of different build."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flipad_ops.errors import GeneratorUnreadable, LatentUnknown, NotAttributable
from flipad_ops.generators import split_generator
from tests.generators.builds import (
    ACTIVATIONS,
    FLAT,
    LATENT,
    Modulated,
    conv_transpose,
    mlp,
    upsample_conv,
)


def export(module: nn.Module, example: Tensor, dynamic: bool = True) -> nn.Module:
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    return torch.export.export(module, (example,), dynamic_shapes=shapes).module()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize(
    ("build", "kind", "metadata"),
    [
        (conv_transpose, "conv_transpose2d", LATENT),
        (upsample_conv, "conv2d", LATENT),
        (mlp, "linear", FLAT),
    ],
)
def test_split_is_found(build: Any, kind: str, metadata: Any, activation: str) -> None:
    generator = split_generator(build(activation), metadata)
    assert generator.layer.kind == kind
    assert generator.output_map.activation == activation
    output, z = generator.run(generator.latent.sample(3, seed=5))
    again = generator.output_map.activate(generator.layer(z)).reshape(output.shape)
    torch.testing.assert_close(again, output, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dynamic", [True, False])
def test_exported_program_gives_the_same_split_and_hashes(dynamic: bool) -> None:
    module = conv_transpose()
    example = torch.randn(2 if dynamic else 1, 8, 1, 1)
    plain = split_generator(module, LATENT)
    program = split_generator(export(module, example, dynamic), LATENT, batched=dynamic)
    assert program.layer.sha256() == plain.layer.sha256()
    assert program.decoder_sha256 == plain.decoder_sha256
    torch.testing.assert_close(program.sample(5, 3), plain.sample(5, 3), atol=1 / 255, rtol=0)


def test_hashes_change_with_one_weight() -> None:
    module = conv_transpose()
    before = split_generator(module, LATENT)
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 0.5  # type: ignore[index, operator]
    inner = split_generator(module, LATENT)
    assert inner.layer.sha256() == before.layer.sha256()
    assert inner.decoder_sha256 != before.decoder_sha256
    with torch.no_grad():
        module[5].weight[0, 0, 0, 0] += 0.5  # type: ignore[index, operator]
    assert split_generator(module, LATENT).layer.sha256() != before.layer.sha256()


def test_functional_generator_and_weight_norm() -> None:
    weight = torch.randn(3, 8, 3, 3, generator=torch.Generator().manual_seed(0))

    def functional(latent: Tensor) -> Tensor:
        return torch.sigmoid(F.conv2d(latent.expand(-1, -1, 6, 6), weight, padding=1))

    assert split_generator(functional, LATENT).layer.kind == "conv2d"
    module = conv_transpose()
    nn.utils.parametrizations.weight_norm(module[5])  # type: ignore[index]
    assert split_generator(module, LATENT).output_map.activation == "tanh"


class Tail(nn.Module):
    def __init__(self, tail: Any) -> None:
        super().__init__()
        self.body, self.tail = conv_transpose("identity"), tail

    def forward(self, latent: Tensor) -> Any:
        return self.tail(self.body(latent))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Tail(torch.relu), "not an invertible activation"),
        (Tail(lambda y: y.softmax(dim=1)), "not an invertible activation"),
        (Tail(lambda y: F.avg_pool2d(y, 2)), "something other than an activation"),
        (Tail(lambda y: y * torch.nan), "NaN"),
        (Tail(lambda y: {"image": y}), "not a tensor"),
        (Tail(lambda y: y[:1]), "returned shape"),
        (Modulated(), "change with the latent"),
        (nn.ReLU(), "no convolution"),
    ],
)
def test_what_cannot_be_attributed_is_refused_with_a_reason(module: Any, words: str) -> None:
    with pytest.raises(NotAttributable, match=words):
        split_generator(module, LATENT)


def test_training_mode_export_is_refused() -> None:
    module = conv_transpose().train()
    with pytest.raises(NotAttributable, match="training mode"):
        split_generator(lambda z: module.train()(z), LATENT)


def test_one_dimensional_and_broken_generators() -> None:
    with pytest.raises(NotAttributable, match="1-d convolution"):
        split_generator(nn.Conv1d(8, 3, 1), {"latent": {"shape": [8, 5]}})
    with pytest.raises(GeneratorUnreadable, match="latents of shape"):
        split_generator(conv_transpose(), {"latent": {"shape": [9, 1, 1]}})


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "does not state its latent shape"),
        ({"latent": {}}, "does not state"),
        ({"latent": {"shape": "100"}}, "not a list"),
        ({"latent": {"shape": [0, 1]}}, "positive sizes"),
        ({"latent": {"shape": [2**30]}}, "absurdly"),
        ({"latent": {"shape": [8, 1, 1], "distribution": "cauchy"}}, "normal, uniform"),
    ],
)
def test_latent_must_be_stated(metadata: Any, words: str) -> None:
    with pytest.raises(LatentUnknown, match=words):
        split_generator(conv_transpose(), metadata)


def test_owner_states_activation_and_range() -> None:
    metadata = {**LATENT, "activation": "identity", "output_range": [0, 2]}
    output_map = split_generator(conv_transpose("identity"), metadata).output_map
    assert (output_map.low, output_map.high) == (0.0, 2.0)
    with pytest.raises(NotAttributable, match="known are"):
        split_generator(conv_transpose(), {**LATENT, "activation": "relu"})
    with pytest.raises(NotAttributable, match="not an invertible"):
        split_generator(conv_transpose(), {**LATENT, "activation": "sigmoid"})
    with pytest.raises(NotAttributable, match="output_range"):
        split_generator(conv_transpose(), {**LATENT, "output_range": [1, 1]})


def test_samples_depend_on_the_seed_alone() -> None:
    generator = split_generator(conv_transpose(), LATENT)
    one, other = generator.sample(10, 7, batch_size=3), generator.sample(10, 7, batch_size=10)
    torch.testing.assert_close(one, other, atol=1 / 255, rtol=0)
    assert not torch.equal(one, generator.sample(10, 8))
    assert torch.equal(one, (one * 255).round() / 255)
    assert generator.mean_activation(20, 1).shape == generator.layer.input_shape
    assert generator.activation_minimum() == 0.0
