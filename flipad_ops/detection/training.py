"""From recovered activations to a detector: which branches there are, and what each learns from."""

from __future__ import annotations

from collections.abc import Sequence

from flipad_ops.detection.deepsad import DeepSad
from flipad_ops.detection.features import FeatureMap, fit_features
from flipad_ops.detection.fusion import Branch, Detector
from flipad_ops.detection.training_material import (
    DetectorSettings,
    Epochs,
    Kind,
    Material,
    TrainingData,
)
from flipad_ops.detection.view import View
from flipad_ops.detection.views import every_view


def fit_detector(
    data: TrainingData, settings: DetectorSettings, report: Epochs = lambda done, total: None
) -> tuple[FeatureMap, Detector]:
    """Fit features and detector, which is not calibrated yet.

    Raises
    ------
    UsageError
        An extra view is not installed.
    """
    views = every_view(settings.extra_views) if settings.fusion else (DeepSad,)
    features = fit_features(data.own, data.foreign, settings.channels)

    def branch(kind: Kind) -> Branch:
        return fit_branch(_material(kind, data, features, settings, report), views)

    as_made = branch("as_made")
    lossy = branch("lossy") if settings.fusion and len(data.own_augmented) else None
    return features, Detector([as_made], lossy).to(settings.device)


def fit_branch(material: Material, views: Sequence[type[View]]) -> Branch:
    """The views that have a say in one branch."""
    for view in views:
        if view.needs_activations and material.branch == "lossy":
            continue
        fitted = view.fit(material)
        if fitted is not None:
            material.fitted[view.name] = fitted
    return Branch([view for view in material.fitted.values() if isinstance(view, View)])


def _material(
    kind: Kind,
    data: TrainingData,
    features: FeatureMap,
    settings: DetectorSettings,
    report: Epochs,
) -> Material:
    """What one branch accepts and refuses."""
    own, foreign, own_pixels = data.own, data.foreign, data.own_as_found
    if kind == "lossy":
        own, foreign = own.select(slice(0)), foreign.select(slice(0))
        own_pixels = data.own_lossy
    return Material(kind, own, foreign, own_pixels, data, features, settings, report)
