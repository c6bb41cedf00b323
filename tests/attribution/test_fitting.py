"""The whole fit on a toy: it separates, repeats, and refuses what it cannot use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import SELF_MADE, ForeignImages
from flipad_ops.common.errors import DataError, NegativesTooFew
from flipad_ops.detection import auc, threshold_at_fnr
from flipad_ops.generators import SplitGenerator, split_generator
from tests.conftest import noise_images
from tests.generators.toys import METADATA, toy

STAGES = ["anchor", "sample", "invert", "train", "calibrate", "evaluate"]


def test_separates_own_images_from_fresh_noise(
    toy_fit: FitResult, toy_split: SplitGenerator
) -> None:
    own = toy_fit.attributor.score(toy_split.sample(40, seed=77))
    foreign = toy_fit.attributor.score(noise_images(40, seed=77))
    assert auc(own.score, foreign.score) > 0.99
    assert own.attributed.mean() > 0.8
    assert foreign.attributed.mean() < 0.1
    assert np.median(own.p) < 0.1 < np.median(foreign.p)


def test_calibration_and_evaluation_follow_from_the_scores(
    toy_fit: FitResult, toy_settings: FitSettings
) -> None:
    calibration = toy_fit.attributor.calibration
    assert len(calibration.own_scores) == toy_settings.own_calibration // 2  # the rest: scales
    assert calibration.threshold == threshold_at_fnr(calibration.own_scores, toy_settings.fnr)
    # Fair shares of 100 between two sources of 60, cut in 2:1:1.
    sizes = {name: len(scores) for name, scores in calibration.null_scores.items()}
    assert sizes == {"noise": 12, "sibling": 12}
    assert calibration.floor == 1 / 25  # too few to stand alone
    scores = dict(toy_fit.test_scores)
    own = scores.pop("own")
    assert len(own) == toy_settings.own_test
    expected = evaluate_scores(own, scores, calibration.threshold)
    evaluation = dict(toy_fit.attributor.evaluation)
    assert set(evaluation.pop("recompressed")["strata"]) == {"noise", "sibling"}
    assert set(evaluation.pop("conventions")) == {"truncated", "times 256"}
    assert {key: evaluation[key] for key in expected} == expected
    assert set(evaluation) - set(expected) == {"not_among", "relatives"}
    assert set(expected["strata"]) == {"noise", "sibling", SELF_MADE}


def test_what_a_reviewer_sees(
    toy_fit: FitResult, toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    assert len(toy_fit.losses) == toy_settings.detector.epochs
    assert toy_fit.losses[-1] < toy_fit.losses[0]
    threshold = toy_fit.attributor.calibration.threshold
    attributed = {name: int((x <= threshold).sum()) for name, x in toy_fit.test_scores.items()}
    missed = len(toy_fit.test_scores["own"]) - attributed.pop("own")
    wrong = {f"{name}, attributed": count for name, count in attributed.items()}
    wrong["own, missed"] = missed
    assert missed
    assert {name: len(x) for name, x in toy_fit.examples.items()} == {
        "own": 8,
        "noise": 8,
        "sibling": 8,
        SELF_MADE: 8,
        **{name: min(count, 8) for name, count in wrong.items() if count},
    }
    assert list(toy_fit.timings) == STAGES
    assert all(m.shape == toy_split.layer.input_shape for m in toy_fit.mean_activations.values())
    assert 0 <= toy_fit.unconverged <= 1
    assert toy_fit.grouped
    reference = toy_fit.attributor.reference
    assert reference is not None
    assert torch.equal(reference / 255, toy_fit.examples["own"][0])
    assert toy_fit.attributor.generator == {
        "name": "toy",
        "version": "1",
        "final_layer_sha256": toy_split.layer.sha256(),
        "decoder_sha256": toy_split.decoder_sha256,
        "equivalence_class": ["toy/1"],
        "latent": {"shape": [4, 1, 1], "distribution": "normal"},
    }


def test_equal_seeds_give_equal_attributors(
    toy_fit: FitResult,
    toy_split: SplitGenerator,
    toy_foreign: dict[str, ForeignImages],
    toy_settings: FitSettings,
) -> None:
    stages: list[tuple[str, int, int]] = []
    torch.randn(3)  # the global stream must not matter
    again = fit_attributor(
        toy_split, toy_foreign, toy_settings, progress=lambda *row: stages.append(row)
    )
    first, second = toy_fit.attributor, again.attributor
    assert toy_fit.losses == again.losses
    assert torch.equal(first.anchor, second.anchor)
    assert torch.equal(first.features.channels, second.features.channels)
    for name, tensor in first.detector.state_dict().items():
        assert torch.equal(tensor, second.detector.state_dict()[name]), name
    assert np.array_equal(first.calibration.own_scores, second.calibration.own_scores)
    assert first.calibration.threshold == second.calibration.threshold
    assert first.evaluation == second.evaluation

    assert [s for i, (s, _, _) in enumerate(stages) if i == 0 or stages[i - 1][0] != s] == [
        *STAGES[:2], "students", "relatives", *STAGES[2:],
    ]  # fmt: skip
    own, foreign = (60, 40, 24), (50, 24, 26 + 8)  # and a student's, held out
    more = 30 + 15 + 18, 0, 2 * 24  # made for training; own ones as others write them
    for place, stage in enumerate(("invert", "calibrate", "evaluate")):
        done = [(d, total) for name, d, total in stages if name == stage and total]
        assert done[-1][0] == done[-1][1] == own[place] + foreign[place] + more[place]
        assert [d for d, _ in done] == sorted(d for d, _ in done)


@pytest.mark.parametrize("kind", ["conv2d", "linear"])
def test_other_final_layers(kind: str, toy_settings: FitSettings) -> None:
    module = toy(kind, nn.Sigmoid() if kind == "linear" else nn.Identity())
    split = split_generator(module, METADATA)
    noise = noise_images(40, seed=0)[:, :, :8, :8]
    settings = replace(toy_settings, own_train=24, own_calibration=12, own_test=12)
    attributor = fit_attributor(split, {"noise": ForeignImages(noise)}, settings).attributor
    result = attributor.score(split.sample(5, seed=9))
    assert result.residual.shape == (5, 3, 8, 8)
    assert np.isfinite(result.score).all()


@pytest.mark.parametrize(
    ("name", "images", "message"),
    [
        ("own", noise_images(40, 0), "cannot be called 'own'"),
        (SELF_MADE, noise_images(40, 0), "cannot be called 'self-made relatives'"),
        ("a", noise_images(40, 0).permute(0, 2, 3, 1), r"have shape \[16, 16, 3\]; the generator"),
        ("a", noise_images(40, 0) * 255, "not pixels between 0 and 1"),
        ("a", noise_images(40, 0) - 0.5, "not pixels between 0 and 1"),
        ("a", noise_images(40, 0) * torch.nan, "not pixels between 0 and 1"),
    ],
    ids=["own", "relatives", "channels last", "bytes", "negative", "nan"],
)
def test_unusable_foreign_images(
    toy_split: SplitGenerator, toy_settings: FitSettings, name: str, images: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        fit_attributor(toy_split, {name: ForeignImages(images)}, toy_settings)


@pytest.mark.parametrize("foreign", [{}, {"a": ForeignImages(noise_images(19, 0))}])
def test_too_few_negatives(
    toy_split: SplitGenerator, toy_settings: FitSettings, foreign: dict[str, ForeignImages]
) -> None:
    with pytest.raises(NegativesTooFew, match="at least 20 foreign images"):
        fit_attributor(toy_split, foreign, toy_settings)
