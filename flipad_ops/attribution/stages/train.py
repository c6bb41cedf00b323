"""Third stage: a detector from training images and their activations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.attribution.augmentation import LOSSY, mixture
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.inversion_runs import Progress
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import recompressed
from flipad_ops.attribution.training_set import TrainingSet
from flipad_ops.detection import (
    DeepSad,
    Detector,
    DetectorSettings,
    FeatureMap,
    Recovered,
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


def train(
    training: TrainingSet,
    recovered: Recovered,
    settings: FitSettings,
    device: str,
    progress: Progress,
) -> Trained:
    """Fit the views to `training`, whose `inverted` images gave `recovered`."""
    data = training_data(training, recovered, settings)
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
    given = data.foreign.select(slice(training.given))
    return Trained(
        features, detector, deepsad.losses, {"own": data.own.mean, "foreign": given.mean}
    )


def training_data(
    training: TrainingSet, recovered: Recovered, settings: FitSettings
) -> TrainingData:
    """What the detector is fitted to."""
    own, foreign, own_altered, foreign_altered = training.split(recovered)
    own_lossy = own_as_found = training.own
    if len(training.own_augmented):
        own_lossy = mixture(training.own, stream(settings.seed, "own lossy"), LOSSY)
    elif not len(own_altered):  # Leaks come as JPEG files too, whose spectrum differs.
        files = recompressed(training.own, stream(settings.seed, "own recompressed"))
        own_as_found = torch.cat([training.own, files])
    return TrainingData(
        own=own,
        foreign=foreign,
        own_altered=own_altered,
        foreign_altered=foreign_altered,
        sources=training.sources,
        unrelated=training.unrelated,
        own_as_found=own_as_found,
        own_lossy=own_lossy,
        own_augmented=training.own_augmented,
        foreign_augmented=training.foreign_augmented,
        own_rows=training.own_rows,
    )
