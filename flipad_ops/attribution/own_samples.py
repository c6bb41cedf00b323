"""A fit's own samples: drawn once, then shared out."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.seeds import stream
from flipad_ops.generators import SplitGenerator


@dataclass(frozen=True, eq=False)
class OwnSamples:
    """Samples of the generator, no latent twice.

    Parameters
    ----------
    images : Tensor, float32, (n, *sample_shape) in [0, 1]
        First those for training, then those for calibration, then those for the test.
    trained, calibrated : int
        How many are for training and for calibration.
    """

    images: Tensor
    trained: int
    calibrated: int

    @property
    def training(self) -> Tensor:
        """(trained, *sample_shape)"""
        return self.images[: self.trained]

    @property
    def calibration(self) -> Tensor:
        """(calibrated, *sample_shape)"""
        return self.images[self.trained : self.trained + self.calibrated]

    @property
    def test(self) -> Tensor:
        """(n - trained - calibrated, *sample_shape)"""
        return self.images[self.trained + self.calibrated :]


def own_latents(generator: SplitGenerator, settings: FitSettings) -> Tensor:
    """The latents of `draw_own`, (n, *latent.shape)."""
    return generator.latent.sample(_count(settings), own_seed(settings))


def own_seed(settings: FitSettings) -> int:
    """Of a fit's own samples."""
    return stream(settings.seed, "own")


def _count(settings: FitSettings) -> int:
    return settings.own_train + settings.own_calibration + settings.own_test


def draw_own(generator: SplitGenerator, settings: FitSettings) -> OwnSamples:
    """The own samples that `settings` ask for."""
    images = generator.sample(_count(settings), own_seed(settings))
    return OwnSamples(images, settings.own_train, settings.own_calibration)
