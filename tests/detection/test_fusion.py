"""One score from several views."""

from __future__ import annotations

import torch
from torch import Tensor

from flipad_ops.detection import (
    DeepSad,
    Detector,
    fit_features,
    fit_spectral,
    fit_statistics,
)


def activations(level: float, seed: int, count: int = 80) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 6, 8, 8, generator=source) + level).clamp_min(-0.5)


def pixels(seed: int, count: int = 80) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def fused() -> tuple[Detector, tuple[Tensor, Tensor, Tensor]]:
    own, foreign, images = activations(0.0, 1), activations(0.3, 2), pixels(1)
    features = fit_features(own, foreign, keep=4)
    detector = Detector(
        DeepSad(features.shape, 8), fit_statistics(own, foreign), fit_spectral(images)
    )
    inputs = (features(own), own, images)
    detector.calibrate_scales(detector.views(*inputs).numpy(), fnr=0.1)
    return detector, inputs


def test_fused_score_is_the_most_foreign_view_in_units_of_its_threshold() -> None:
    detector, inputs = fused()
    views = detector.views(*inputs)
    assert views.shape == (80, 3)
    expected = (views / detector.scales).amax(dim=1)
    torch.testing.assert_close(detector.score(*inputs), expected)
    assert float((views / detector.scales <= 1).double().mean(dim=0).min()) >= 0.9


def test_screen_decides_nothing_until_it_is_told_a_cutoff() -> None:
    detector, (_, _, images) = fused()
    flat = torch.full_like(images[:3], 0.5)
    score, decided = detector.screen(flat)
    assert not decided.any()
    detector.cutoff.fill_(1.0)
    again, decided = detector.screen(flat)
    assert decided.all()
    assert torch.equal(score, again)
    assert float(detector.screen(images)[1].double().mean()) <= 0.1


def test_without_other_views_the_score_is_deepsads_distance() -> None:
    own = activations(0.0, 1)
    features = fit_features(own, activations(0.3, 2), keep=4)
    deepsad = DeepSad(features.shape, 8)
    plain = Detector(deepsad)
    inputs = (features(own), own, pixels(1))
    plain.calibrate_scales(plain.views(*inputs).numpy(), fnr=0.1)
    torch.testing.assert_close(plain.score(*inputs), deepsad.score(features(own)).double())
    plain.cutoff.fill_(-1.0)
    assert plain.screen(inputs[2])[0].tolist() == [0.0] * 80
