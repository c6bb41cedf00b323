"""The statistics head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.detection import auc, fit_statistics
from flipad_ops.detection.statistics import channel_statistics


def activations(level: float, seed: int, count: int = 80) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 6, 8, 8, generator=source) + level).clamp_min(-0.5)


def test_statistics_by_hand() -> None:
    z = torch.tensor([[[[1.0, -1.0], [0.0, 2.0]]]])
    found = channel_statistics(z, torch.ones(1, 2, 2)).flatten().tolist()
    spread = np.std([1.0, -1.0, 0.0, 2.0])
    below = np.std([0.0, -1.0, 0.0, 0.0])
    assert found == pytest.approx([0.5, spread, 1.0, 2.0, -0.25, below, 0.25])


def test_head_separates_and_is_steady() -> None:
    own, foreign = activations(0.0, 1), activations(0.3, 2)
    head = fit_statistics(own, foreign)
    own_test, foreign_test = head(activations(0.0, 3)), head(activations(0.3, 4))
    assert auc(own_test.numpy(), foreign_test.numpy()) > 0.99
    assert bool((own_test > 0).all())
    again = fit_statistics(own, foreign)
    assert torch.equal(again(own), head(own))
    torch.testing.assert_close(head(own[:1]), head(own)[:1], rtol=1e-9, atol=0)


def test_head_takes_flat_activations() -> None:
    own, foreign = torch.randn(60, 9), torch.randn(60, 9) + 2
    head = fit_statistics(own, foreign)
    assert head.count == 27
    assert head(own).median() < head(foreign).median()


def test_an_extreme_activation_gives_a_finite_score() -> None:
    head = fit_statistics(activations(0.0, 1), activations(0.3, 2))
    assert bool(torch.isfinite(head(torch.full((1, 6, 8, 8), 1e6))).all())
