"""The zoo's loops, one step of each."""

from __future__ import annotations

import pytest
import torch

from benchmarks.zoo.networks import ARCHITECTURES, LATENT
from benchmarks.zoo.train import members
from benchmarks.zoo.training import train
from flipad_ops.generators import split_generator
from flipad_ops.generators.layer import state_sha256


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_step_changes_the_network_repeats_and_can_be_split(kind: str) -> None:
    images = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    first, second = train(kind, images, 1, seed=3), train(kind, images, 2, seed=3)
    hashes = [state_sha256(dict(network.state_dict())) for network in (first, second)]
    assert hashes[0] != hashes[1]
    assert hashes[0] == state_sha256(dict(train(kind, images, 1, seed=3).state_dict()))
    split = split_generator(first, {"latent": {"shape": [LATENT, 1, 1]}})
    assert split.sample_shape == (1, 32, 32)
    tuned = train(kind, images, 1, seed=4, start=first)
    assert state_sha256(dict(tuned.state_dict())) not in hashes


def test_members_come_after_what_they_need() -> None:
    names = list(members())
    assert len(names) == 5 + 3 * 4 + 3 * 2
    for position, name in enumerate(names):
        source = members()[name].source
        assert not source or source in names[:position]
