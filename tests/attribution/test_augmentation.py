"""Perturbations."""

from __future__ import annotations

import pytest
import torch

from benchmarks.quality_parts.perturbations import PERTURBATIONS
from flipad_ops.attribution.augmentation import EVERYTHING, blur, can_perturb, mixture, noise
from flipad_ops.generators import quantise


def images(channels: int = 3) -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    rough = torch.rand(3, channels, 6, 6, generator=source)
    return quantise(torch.nn.functional.interpolate(rough, (24, 32), mode="bilinear"))


@pytest.mark.parametrize("how", PERTURBATIONS)
def test_every_perturbation_changes_little_and_repeats(how: str) -> None:
    for channels in (1, 3):
        given = images(channels)
        made = PERTURBATIONS[how](given, torch.Generator().manual_seed(1))
        again = PERTURBATIONS[how](given, torch.Generator().manual_seed(1))
        assert made.shape == given.shape
        assert torch.equal(made, again)
        assert torch.equal(made, quantise(made))
        assert 0 < float((made - given).abs().mean()) < 0.15


def test_noise_is_as_strong_as_it_says() -> None:
    grey = torch.full((4, 1, 64, 64), 0.5)
    made = noise(grey, 0.1, torch.Generator().manual_seed(0))
    assert float((2 * made - 1).std()) == pytest.approx(0.1, rel=0.02)


def test_blur_keeps_a_constant_and_the_mean() -> None:
    assert torch.equal(blur(torch.full((1, 1, 9, 9), 0.2), 3), torch.full((1, 1, 9, 9), 0.2))
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1.0
    assert float(blur(point, 3).sum()) == pytest.approx(1.0, abs=0.02)


def test_mixture_alters_every_image_and_depends_on_its_seed() -> None:
    given = images().repeat(10, 1, 1, 1)
    made = mixture(given, 3, EVERYTHING)
    changed = (made - given).flatten(1).abs().amax(dim=1) > 0
    assert float(changed.float().mean()) > 0.9  # a good JPEG file may keep a smooth image as it is
    assert torch.equal(made, mixture(given, 3, EVERYTHING))
    assert not torch.equal(made, mixture(given, 4, EVERYTHING))
    assert len(mixture(given[:0], 3, EVERYTHING)) == 0
    assert can_perturb((3, 24, 32))
    assert not can_perturb((4, 24, 32))
