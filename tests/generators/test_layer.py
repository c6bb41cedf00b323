from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators import FinalLayer, split_generator, state_sha256
from tests.generators.toys import KINDS, METADATA, export, toy


def layer(kind: str = "conv2d", seed: int = 0) -> FinalLayer:
    return split_generator(toy(kind, seed=seed), METADATA).layer


@pytest.mark.parametrize("kind", KINDS)
def test_geometry_and_tensors_rebuild_the_layer(kind: str) -> None:
    whole = layer(kind)
    geometry = json.loads(json.dumps(whole.geometry()))
    again = FinalLayer.from_parts(geometry, whole.tensors())
    z = torch.randn(2, *whole.input_shape)
    assert again.sha256() == whole.sha256()
    assert torch.equal(again(z), whole(z))


def test_affine() -> None:
    whole = layer("conv_transpose2d")
    a, b = torch.randn(2, 1, *whole.input_shape, dtype=torch.float64)
    zero = whole(torch.zeros_like(a))
    torch.testing.assert_close(whole(a + b) - zero, whole(a) + whole(b) - 2 * zero)


@pytest.mark.parametrize("kind", KINDS)
def test_hash_sees_one_changed_weight(kind: str) -> None:
    module = toy(kind)
    before = split_generator(module, METADATA)
    assert split_generator(toy(kind), METADATA).layer.sha256() == before.layer.sha256()
    last = [m for m in module if hasattr(m, "weight")][-1]
    with torch.no_grad():
        last.weight.view(-1)[-1] += 1e-4
    after = split_generator(module, METADATA)
    assert after.layer.sha256() != before.layer.sha256()
    assert after.decoder_sha256 != before.decoder_sha256
    assert split_generator(export(module), METADATA).decoder_sha256 == after.decoder_sha256


def test_decoder_hash_sees_what_the_final_layer_cannot() -> None:
    module = toy("conv_transpose2d")
    before = split_generator(module, METADATA)
    module[2].running_mean[1] += 0.5
    after = split_generator(module, METADATA)
    assert after.layer.sha256() == before.layer.sha256()
    assert after.decoder_sha256 != before.decoder_sha256


@pytest.mark.parametrize(
    "change",
    [
        {"stride": (2, 2)},
        {"padding": (0, 1)},
        {"bias": None},
        {"bias": torch.zeros(3)},
        {"input_shape": (5, 9, 9)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_hash_covers_geometry_and_bias(change: dict[str, Any]) -> None:
    assert replace(layer(), **change).sha256() != layer().sha256()


def test_state_hash_ignores_names_order_and_step_counters() -> None:
    a, b = torch.randn(3), torch.randn(2, 2)
    first = state_sha256({"a": a, "b": b, "bn.num_batches_tracked": torch.tensor(3)})
    assert first == state_sha256({"p_b": b, "p_a": a, "bn.num_batches_tracked": torch.tensor(9)})
    assert first != state_sha256({"a": a, "b": b.reshape(4)})
    assert first != state_sha256({"a": a, "b": b.double()})
    assert first != state_sha256({"a": a})
    assert state_sha256({"a": a, "b": a}) != state_sha256({"a": a})


@pytest.mark.parametrize(
    "tensor",
    [torch.tensor(1.5), torch.zeros(0), torch.ones(3, dtype=torch.bfloat16), torch.eye(3).T[::2]],
    ids=["scalar", "empty", "bfloat16", "strided"],
)
def test_state_hash_takes_any_tensor(tensor: torch.Tensor) -> None:
    assert state_sha256({"x": tensor}) == state_sha256({"y": tensor.clone()})


def test_refuses_what_it_cannot_hold() -> None:
    whole = layer()
    with pytest.raises(NotAttributable, match="is a conv3d, which is not supported"):
        replace(whole, kind="conv3d")  # type: ignore[arg-type]
    with pytest.raises(NotAttributable, match="NaN or infinite weights"):
        replace(whole, bias=torch.tensor([0.0, torch.inf, 0.0]))
