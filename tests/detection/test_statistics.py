"""The statistics head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.detection import Recovered, auc, fit_statistics
from flipad_ops.detection.statistics import _source_weights, channel_statistics, second_moments

held = Recovered.held


def activations(level: float, seed: int, count: int = 80) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 6, 8, 8, generator=source) + level).clamp_min(-0.5)


def test_statistics_by_hand() -> None:
    z = torch.tensor([[[[1.0, -1.0], [0.0, 2.0]]]])
    found = channel_statistics(z, torch.ones(1, 2, 2)).flatten().tolist()
    spread = np.std([1.0, -1.0, 0.0, 2.0])
    below = np.std([0.0, -1.0, 0.0, 0.0])
    assert found == pytest.approx([0.5, spread, 1.0, 2.0, -0.25, below, 0.25])


def pixels(seed: int, count: int = 80) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_second_moments_by_hand() -> None:
    z = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, -1.0]]]])
    found = second_moments(z, torch.zeros(2, 2, 2), torch.tensor([0, 1])).flatten().tolist()
    gram = [30 / 4, (2 - 4) / 4, 2 / 4]
    right, down, diagonal = [(2 + 12) / 2, 0.0], [(3 + 8) / 2, -1 / 2], [4.0, 0.0]
    assert found == pytest.approx([*gram, *right, *down, *diagonal])


def test_head_separates_and_is_steady() -> None:
    own, foreign = activations(0.0, 1), activations(0.3, 2)
    channels = torch.tensor([1, 4])
    head = fit_statistics(held(own, pixels(1)), held(foreign, pixels(2)), channels=channels)
    assert head.count == 6 * 7 + 3 + 6 + 64
    own_test = head(activations(0.0, 3), pixels(3))
    foreign_test = head(activations(0.3, 4), pixels(4))
    assert auc(own_test.numpy(), foreign_test.numpy()) > 0.99
    assert bool((own_test > 0).all())
    again = fit_statistics(held(own, pixels(1)), held(foreign, pixels(2)), channels=channels)
    assert torch.equal(again(own, pixels(1)), head(own, pixels(1)))
    alone = head(own[:1], pixels(1)[:1])
    torch.testing.assert_close(alone, head(own, pixels(1))[:1], rtol=1e-9, atol=0)


def test_second_moments_see_what_channel_statistics_cannot() -> None:
    """Two channels that fire together against two that do not: equal levels and spreads."""
    source = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 300, 1, 8, 8, generator=source)
    own, foreign = torch.cat([first, first], dim=1), torch.cat([first, second], dim=1)
    blank = torch.empty(300, 1, 4, 4)

    def separation(channels: Tensor | None) -> float:
        train, test = slice(0, 200), slice(200, 300)
        ours, theirs = (held(x[train], blank[train]) for x in (own, foreign))
        head = fit_statistics(ours, theirs, channels=channels)
        return auc(*(head(x[test], blank[test]).numpy() for x in (own, foreign)))

    assert separation(torch.tensor([0, 1])) > 0.99
    assert separation(None) < 0.8


def test_every_source_weighs_the_same() -> None:
    groups = torch.tensor([0, 0, 0, 1])
    assert _source_weights(4, groups).tolist() == pytest.approx([1 / 12] * 3 + [1 / 4])


def test_head_takes_flat_activations() -> None:
    own, foreign = torch.randn(60, 9), torch.randn(60, 9) + 2
    # With channels the row's own values and their products come beside the features.
    for channels, count in ((None, 27), (torch.arange(9), 27 + 9 + 45)):
        head = fit_statistics(held(own, own), held(foreign, foreign), channels=channels)
        assert head.count == count
        assert head(own, own).median() < head(foreign, foreign).median()


def test_an_extreme_activation_gives_a_finite_score() -> None:
    head = fit_statistics(
        held(activations(0.0, 1), pixels(1)), held(activations(0.3, 2), pixels(2))
    )
    assert bool(torch.isfinite(head(torch.full((1, 6, 8, 8), 1e6), pixels(1, 1))).all())
