from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.common.errors import UsageError
from flipad_ops.detection import DeepSad, DeepSadSettings, auc, train_deepsad
from flipad_ops.detection.deepsad import CENTRE_MARGIN, SCORE_CHUNK

SETTINGS = DeepSadSettings(dim=8, epochs=5, batch_size=32, learning_rate=1e-3)


def gaussian(
    count: int, seed: int, shift: float = 0.0, shape: tuple[int, ...] = (2, 4, 4)
) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.fixture(scope="module")
def trained() -> tuple[DeepSad, list[float]]:
    return train_deepsad(gaussian(150, 0), gaussian(150, 1, 0.8), SETTINGS, seed=3)


def test_loss_falls_and_held_out_gaussians_part(trained: tuple[DeepSad, list[float]]) -> None:
    model, losses = trained
    assert len(losses) == SETTINGS.epochs
    assert losses[-1] < 0.5 * losses[0]
    own, foreign = (
        model.distance(gaussian(100, s, m)).double().numpy() for s, m in [(5, 0), (6, 0.8)]
    )
    assert auc(own, foreign) > 0.95


def test_flat_features() -> None:
    model, losses = train_deepsad(
        gaussian(150, 0, shape=(20,)), gaussian(150, 1, 1.0, (20,)), SETTINGS, seed=3
    )
    own, foreign = (
        model.distance(gaussian(100, s, m, (20,))).double().numpy() for s, m in [(5, 0), (6, 1.0)]
    )
    assert losses[-1] < losses[0]
    assert auc(own, foreign) > 0.95


def train_short(seed: int) -> tuple[DeepSad, list[float]]:
    settings = DeepSadSettings(dim=8, epochs=2, batch_size=32)
    return train_deepsad(gaussian(70, 0), gaussian(70, 1), settings, seed=seed)


def test_seed_fixes_everything() -> None:
    model, losses = train_short(seed=3)
    torch.randn(5)  # the global stream must not matter
    again, losses_again = train_short(seed=3)
    assert losses == losses_again
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    other, losses_other = train_short(seed=4)
    assert losses != losses_other
    assert not torch.equal(model.centre, other.centre)


def test_centre_is_the_mean_embedding_kept_away_from_zero() -> None:
    own = gaussian(64, 0, shift=1.0) * 10
    model, _ = train_deepsad(own, gaussian(64, 1), DeepSadSettings(dim=64, epochs=1), seed=0)
    with torch.no_grad():
        start = DeepSad((2, 4, 4), 64, seed=0).network.eval()(own).mean(dim=0)
    far = start.abs() >= CENTRE_MARGIN
    assert 0 < int(far.sum()) < 64
    torch.testing.assert_close(model.centre[far], start[far], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.centre[~far], start[~far].sign() * CENTRE_MARGIN)


def test_score_is_the_squared_distance_to_the_centre(trained: tuple[DeepSad, list[float]]) -> None:
    model, _ = trained
    features = gaussian(20, 9)
    with torch.no_grad():
        expected = ((model.network(features) - model.centre) ** 2).sum(dim=1)
    torch.testing.assert_close(model.distance(features), expected)
    assert not model.distance(features).requires_grad


@pytest.mark.parametrize("count", [1, 2, SCORE_CHUNK - 1, SCORE_CHUNK, SCORE_CHUNK + 1, 50])
def test_score_does_not_depend_on_batch_mates(
    trained: tuple[DeepSad, list[float]], count: int
) -> None:
    model, _ = trained
    features = gaussian(50, 9)
    together = model.distance(features)[:count]
    torch.testing.assert_close(model.distance(features[:count]), together, rtol=1e-6, atol=0)
    alone = torch.cat([model.distance(row) for row in features[:count].split(1)])
    torch.testing.assert_close(alone, together, rtol=1e-6, atol=0)
    model.train()  # as a careless caller might leave it
    torch.testing.assert_close(model.distance(features[:count]), together, rtol=1e-6, atol=0)
    assert not model.training


def test_no_images_no_scores(trained: tuple[DeepSad, list[float]]) -> None:
    assert trained[0].distance(torch.zeros(0, 2, 4, 4)).shape == (0,)


def test_eta_weighs_foreign_samples() -> None:
    """With foreign samples nearly ignored, training only contracts."""
    own, foreign = gaussian(100, 0), gaussian(100, 1, 0.4)
    scores = {}
    for eta in (1e-9, 10.0):
        settings = DeepSadSettings(dim=8, epochs=5, batch_size=32, eta=eta)
        model, _ = train_deepsad(own, foreign, settings, seed=0)
        scores[eta] = float(np.median(model.distance(foreign).numpy()))
    assert scores[1e-9] < scores[10.0]


def test_report_and_a_lone_last_sample() -> None:
    """33 samples in batches of 16 leave one alone, which batch norm cannot take."""
    seen: list[tuple[int, int, float]] = []
    settings = DeepSadSettings(dim=4, epochs=2, batch_size=16)
    _, losses = train_deepsad(
        gaussian(20, 0, shape=(6,)),
        gaussian(13, 1, shape=(6,)),
        settings,
        seed=0,
        report=lambda *row: seen.append(row),
    )
    assert seen == [(1, 2, losses[0]), (2, 2, losses[1])]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"dim": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"eta": -1.0},
        {"weight_decay": -1e-9},
    ],
    ids=str,
)
def test_settings_refuse(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="DeepSAD needs"):
        DeepSadSettings(**fields)


def test_settings_round_trip() -> None:
    settings = DeepSadSettings(epochs=3, milestones=(0.25, 0.5))
    assert DeepSadSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert DeepSadSettings.from_dict({"epochs": 7}) == DeepSadSettings(epochs=7)
    with pytest.raises(UsageError, match="Unknown detector setting 'epoch'"):
        DeepSadSettings.from_dict({"epoch": 7})
