from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.common.errors import InversionError, WrongImageSize
from flipad_ops.detection import Null
from flipad_ops.generators import SplitGenerator
from tests.conftest import noise_images


def test_alone_or_in_company_an_image_scores_the_same(
    toy_fit: FitResult, toy_split: SplitGenerator
) -> None:
    attributor = toy_fit.attributor
    images = torch.cat([toy_split.sample(9, seed=5), noise_images(10, seed=5)])
    together = attributor.score(images)
    alone = [attributor.score(image) for image in images.split(1)]
    np.testing.assert_allclose(
        np.concatenate([one.score for one in alone]), together.score, rtol=1e-5
    )
    backwards = attributor.score(images.flip(0))
    np.testing.assert_allclose(backwards.score[::-1], together.score, rtol=1e-5)
    assert torch.cat([one.residual for one in alone]).shape == together.residual.shape


def test_decisions_follow_from_the_score(toy_fit: FitResult, toy_split: SplitGenerator) -> None:
    attributor = toy_fit.attributor
    images = torch.cat([toy_split.sample(6, seed=6), noise_images(6, seed=6)])
    result = attributor.score(images)
    calibration = attributor.calibration
    assert np.array_equal(result.attributed, result.score <= calibration.threshold)
    assert np.array_equal(result.p, Null(calibration.null_scores).p(result.score))
    assert result.p.min() >= calibration.floor
    assert result.converged.dtype == bool
    z = attributor.invert(images).z
    full = attributor.detector.combine(attributor.views(z, images)).numpy()
    np.testing.assert_allclose(full[result.inverted], result.score[result.inverted], rtol=1e-6)


def test_the_screen_decides_only_what_the_whole_would_decide_alike(
    toy_fit: FitResult, toy_split: SplitGenerator
) -> None:
    attributor = toy_fit.attributor
    images = torch.cat([toy_split.sample(20, seed=7), noise_images(20, seed=7)])
    result = attributor.score(images)
    full = attributor.detector.combine(
        attributor.views(attributor.invert(images).z, images)
    ).numpy()
    assert np.array_equal(full <= attributor.calibration.threshold, result.attributed)
    screened = ~result.inverted
    assert screened[20:].any()
    assert not screened[:20].all()
    assert (full[screened] >= result.score[screened]).all()
    assert not result.residual[torch.from_numpy(screened)].any()
    assert result.converged[screened].all()


@pytest.mark.parametrize("shape", [(3, 16, 15), (1, 16, 16), (16, 16, 3), (768,), (3, 32, 32)])
def test_wrong_image_size(toy_fit: FitResult, shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongImageSize, match=r"expects \[3, 16, 16\] \(channels, height, width\)"):
        toy_fit.attributor.score(torch.rand(2, *shape))


def test_pixels_that_are_not_finite(toy_fit: FitResult) -> None:
    with pytest.raises(InversionError):
        toy_fit.attributor.score(torch.full((1, 3, 16, 16), torch.nan))


def test_no_score_is_ever_nan(toy_fit: FitResult, toy_split: SplitGenerator) -> None:
    """NaN compares as "above the threshold", so it would pass for a clean image."""
    features = toy_fit.attributor.features
    broken = replace(toy_fit.attributor, features=replace(features, mean=features.mean * torch.nan))
    with pytest.raises(InversionError, match="no finite score"):
        broken.score(toy_split.sample(1, seed=0))


def test_another_final_layer(toy_fit: FitResult, toy_split: SplitGenerator) -> None:
    """Scans refuse it by this hash, see tests/registry/test_scorers.py."""
    fitted = toy_fit.attributor.generator["final_layer_sha256"]
    assert fitted == toy_fit.attributor.layer.sha256() == toy_split.layer.sha256()
    weight = toy_split.layer.weight.clone()
    weight[0, 0, 0, 0] += 1e-3
    assert replace(toy_split.layer, weight=weight).sha256() != fitted
