from __future__ import annotations

import pytest
import torch

from flipad_ops.detection import FeatureMap, Recovered
from flipad_ops.detection import fit_features as fit_recovered
from flipad_ops.detection.features import MAX_SIDE, STD_OFFSET, pool, pool_factor


def activations(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def fit_features(own: torch.Tensor, foreign: torch.Tensor, keep: int) -> FeatureMap:
    return fit_recovered(Recovered.held(own, own), Recovered.held(foreign, foreign), keep)


def test_standardises_by_own_entries() -> None:
    own = activations(50, 4, 5, 6) * 3 + 7
    features = fit_features(own, activations(20, 4, 5, 6), keep=4)
    expected = (own - own.mean(0)) / (own.std(0, unbiased=False) + STD_OFFSET)
    torch.testing.assert_close(features(own), expected)
    assert features.shape == (4, 5, 6)


def test_a_constant_entry_stays_finite() -> None:
    own = torch.ones(10, 2, 3, 3)
    features = fit_features(own, own + 1, keep=2)
    assert torch.equal(features(own), torch.zeros_like(own))
    torch.testing.assert_close(features(own + 1), torch.full_like(own, 1 / STD_OFFSET))


@pytest.mark.parametrize("shape", [(6, 4, 4), (6,)], ids=str)
def test_keeps_the_channels_that_differ_most(shape: tuple[int, ...]) -> None:
    own, foreign = activations(400, *shape), activations(400, *shape, seed=1)
    foreign[:, 4] += 3
    foreign[:, 1] -= 2
    features = fit_features(own, foreign, keep=2)
    assert features.channels.tolist() == [1, 4]
    assert features.shape == (2, *shape[1:])
    assert torch.equal(features(own)[:, 1], fit_features(own, foreign, keep=6)(own)[:, 4])


def test_difference_counts_in_units_of_own_spread() -> None:
    own, foreign = activations(400, 2, 3, 3), activations(400, 2, 3, 3, seed=1)
    own[:, 0], foreign[:, 0] = own[:, 0] * 100, foreign[:, 0] * 100 + 20
    foreign[:, 1] += 1
    assert fit_features(own, foreign, keep=1).channels.tolist() == [1]


def test_keeps_all_when_there_are_fewer() -> None:
    own = activations(10, 3, 4, 4)
    assert fit_features(own, own + 1, keep=64).channels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((8, 32, 32), 1), ((8, 33, 32), 2), ((8, 64, 64), 2), ((8, 65, 10), 3), ((999,), 1)],
    ids=str,
)
def test_pool_factor(shape: tuple[int, ...], factor: int) -> None:
    assert pool_factor(shape) == factor
    pooled = pool(activations(2, *shape), factor)
    assert all(side <= MAX_SIDE for side in pooled.shape[2:])


def test_large_maps_are_pooled_before_anything_else() -> None:
    own, foreign = activations(12, 2, 64, 1), activations(12, 2, 64, 1, seed=1)
    features = fit_features(own, foreign, keep=2)
    assert features.shape == (2, 32, 1)
    rows = own.reshape(12, 2, 32, 2).amax(dim=3)
    torch.testing.assert_close(features.mean, rows.mean(0)[..., None])
    assert features(foreign).shape == (12, 2, 32, 1)
