from __future__ import annotations

import pytest
import torch
from torch import nn

from flipad_ops.detection.network import LeNet, Mlp, build_network

SHAPES = [(3, 16, 16), (1, 5, 7), (2, 1, 1), (4, 64, 2), (9,), (6, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_embeds_any_shape(shape: tuple[int, ...]) -> None:
    network = build_network(shape, 12, seed=0)
    assert isinstance(network, LeNet if len(shape) == 3 else Mlp)
    assert network(torch.randn(4, *shape)).shape == (4, 12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_has_no_bias_so_that_the_constant_map_is_no_solution(shape: tuple[int, ...]) -> None:
    network = build_network(shape, 12, seed=0).eval()
    assert not [name for name, _ in network.named_parameters() if "bias" in name]
    norms = [m for m in network.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert norms
    assert not any(norm.affine for norm in norms)
    assert torch.equal(network(torch.zeros(2, *shape)), torch.zeros(2, 12))


def test_weights_come_from_the_seed_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (build_network((2, 8, 8), 4, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
