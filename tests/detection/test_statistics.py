"""The statistics head and the fusion of both views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.detection import DeepSad, Detector, auc, fit_features, fit_statistics
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


def test_fused_score_is_the_more_foreign_view_in_units_of_its_threshold() -> None:
    own, foreign = activations(0.0, 1), activations(0.3, 2)
    features = fit_features(own, foreign, keep=4)
    fused = Detector(DeepSad(features.shape, 8), fit_statistics(own, foreign))
    views = fused.views(features(own), own)
    fused.calibrate_scales(views.numpy(), fnr=0.1)
    expected = (views / fused.scales).amax(dim=1)
    torch.testing.assert_close(fused.score(features(own), own), expected)
    assert float((views / fused.scales <= 1).double().mean(dim=0).min()) >= 0.9


def test_without_a_head_the_score_is_deepsads_distance() -> None:
    own = activations(0.0, 1)
    features = fit_features(own, activations(0.3, 2), keep=4)
    deepsad = DeepSad(features.shape, 8)
    plain = Detector(deepsad)
    plain.calibrate_scales(plain.views(features(own), own).numpy(), fnr=0.1)
    torch.testing.assert_close(
        plain.score(features(own), own), deepsad.score(features(own)).double()
    )
