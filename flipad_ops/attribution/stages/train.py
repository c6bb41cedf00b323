"""Third stage: a detector from training images and their activations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.inversion_runs import Progress
from flipad_ops.attribution.seeds import stream
from flipad_ops.detection import (
    DeepSad,
    Detector,
    DetectorSettings,
    FeatureMap,
    TrainingData,
    fit_detector,
)


@dataclass(frozen=True, eq=False)
class Trained:
    """A detector that is not calibrated yet, and how its training went.

    Parameters
    ----------
    features : FeatureMap
    detector : Detector
    losses : list of float
        DeepSAD's mean loss of each epoch.
    means : mapping of "own" and "foreign" to Tensor
        Mean activations of own and of the given foreign training images.
    """

    features: FeatureMap
    detector: Detector
    losses: list[float]
    means: dict[str, Tensor]


def train(data: TrainingData, settings: FitSettings, device: str, progress: Progress) -> Trained:
    """Fit the views to images and their activations."""
    chosen = DetectorSettings(
        channels=settings.channels,
        fusion=settings.fusion,
        second_moments=settings.second_moments,
        deepsad=settings.detector,
        seed=stream(settings.seed, "detector"),
        device=device,
        extra_views=settings.extra_views,
    )
    features, detector = fit_detector(data, chosen, lambda *done: progress("train", *done))
    deepsad = detector.parts[0].named[DeepSad.name]
    assert isinstance(deepsad, DeepSad)
    given = data.foreign.select(slice(data.given))
    return Trained(
        features, detector, deepsad.losses, {"own": data.own.mean, "foreign": given.mean}
    )
