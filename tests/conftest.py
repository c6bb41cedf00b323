"""One small fit for all tests that need a fitted attributor."""

from __future__ import annotations

import pytest
import torch

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import DeepSadSettings
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from flipad_ops.inversion import InversionSettings
from tests.generators.toys import dcgan16

pytest_plugins = ["tests.durations", "tests.registry.stores"]


def noise_images(count: int, seed: int) -> torch.Tensor:
    """Grey noise about as bright as the toys' samples, (count, 3, 16, 16)."""
    source = torch.Generator().manual_seed(seed)
    return quantise(torch.randn(count, 3, 16, 16, generator=source) * 0.15 + 0.5)


@pytest.fixture(scope="session")
def toy_split() -> SplitGenerator:
    return split_generator(dcgan16(), {"latent": {"shape": [4, 1, 1]}}, name="toy", version="1")


@pytest.fixture(scope="session")
def toy_foreign() -> dict[str, ForeignImages]:
    sibling = split_generator(dcgan16(seed=1), {"latent": {"shape": [4, 1, 1]}})
    return {
        "noise": ForeignImages(noise_images(60, seed=1)),
        "sibling": ForeignImages(sibling.sample(60, seed=1)),
    }


def toy_fit_settings(max_negatives: int = 100) -> FitSettings:
    """A fit of seconds."""
    return FitSettings(
        inversion=InversionSettings(max_iterations=40, tolerance=0.1),
        detector=DeepSadSettings(dim=8, epochs=4, batch_size=16, learning_rate=2e-3),
        own_train=60,
        own_calibration=40,
        own_test=24,
        anchor_samples=32,
        channels=4,
        students=1,
        student_steps=2,
        min_negatives=20,
        max_negatives=max_negatives,
        more_null=0,
    )


@pytest.fixture(scope="session")
def toy_settings() -> FitSettings:
    return toy_fit_settings()


@pytest.fixture(scope="session")
def toy_fit(
    toy_split: SplitGenerator, toy_foreign: dict[str, ForeignImages], toy_settings: FitSettings
) -> FitResult:
    return fit_attributor(toy_split, toy_foreign, toy_settings, equivalence_class=("toy/1",))
