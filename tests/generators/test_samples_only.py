"""Samples in place of a model: seen, not inverted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.fft import dctn

from flipad_ops.attribution.attributor import WITHOUT
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.common.errors import LatentUnknown, NotAttributable, UsageError
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.samples_only import FLOOR, look


def bought(samples: torch.Tensor) -> SplitGenerator:
    words = {"samples": "x.safetensors"}
    return split_generator(lambda latents: latents, words, latents=samples * 2 - 1)


def test_what_is_seen_is_pixels_and_their_transform() -> None:
    output = torch.randn(3, 2, 16, 8, generator=torch.Generator().manual_seed(0))
    seen = look(output)
    assert torch.equal(seen[:, :2], output)
    spectrum = torch.from_numpy(dctn(output.numpy(), axes=(2, 3), norm="ortho"))
    torch.testing.assert_close(seen[:, 2:], (spectrum.abs() + FLOOR).log(), rtol=1e-4, atol=1e-3)


def test_samples_come_back_as_they_are_and_no_more_of_them(toy_split: SplitGenerator) -> None:
    samples = toy_split.sample(30, 1)
    split = bought(samples)
    assert not split.layer.inverts
    drawn = split.sample(30, 5)
    assert sorted(drawn.flatten(1).sum(1).tolist()) == sorted(samples.flatten(1).sum(1).tolist())
    with pytest.raises(LatentUnknown, match="30 are recorded"):
        split.sample(31, 5)
    assert split.layer.sha256() != bought(samples[:29]).layer.sha256()
    with pytest.raises(NotAttributable, match="at least 8x8"):
        bought(samples[..., :4])


def test_a_fit_without_a_model_scores_saves_and_says_so(
    toy_split: SplitGenerator,
    toy_foreign: dict[str, ForeignImages],
    toy_settings: FitSettings,
    tmp_path: Path,
) -> None:
    split = bought(toy_split.sample(124, 1))
    result = fit_attributor(split, toy_foreign, toy_settings)
    attributor = result.attributor
    assert attributor.basis == WITHOUT
    found = attributor.score(toy_split.sample(20, 9))
    assert not found.inverted.any()
    assert not found.residual.any()
    save_attributor(attributor, tmp_path)
    again = load_attributor(tmp_path)
    assert again.basis == WITHOUT
    images = torch.cat([toy_split.sample(5, 9), toy_foreign["noise"].images[:5]])
    assert again.score(images).score.tolist() == attributor.score(images).score.tolist()
    assert attributor.score(images[3:4]).score[0] == pytest.approx(
        attributor.score(images).score[3], rel=1e-12
    )


def test_settings_shrink_to_what_is_there() -> None:
    settings = FitSettings()
    assert settings.at_most(10_000) is settings
    small = settings.at_most(700)
    counts = (small.own_train, small.own_calibration, small.own_test)
    assert sum(counts) == 700
    assert counts == (400, 200, 100)
    with pytest.raises(UsageError, match="too few"):
        settings.at_most(99)
