"""Detection: features, DeepSAD, calibration."""

from flipad_ops.detection.calibration import (
    Rate,
    auc,
    can_certify,
    conformal_p,
    p_floor,
    threshold_at_fnr,
)
from flipad_ops.detection.deepsad import DeepSad, DeepSadSettings, train_deepsad
from flipad_ops.detection.features import FeatureMap, fit_features
from flipad_ops.detection.fit import Views, fit_detector
from flipad_ops.detection.fusion import Branch, Detector
from flipad_ops.detection.gate import AlterationGate
from flipad_ops.detection.spectral import SpectralView, fit_spectral, has_spectrum
from flipad_ops.detection.statistics import StatisticsHead, fit_statistics

__all__ = [
    "AlterationGate",
    "Branch",
    "DeepSad",
    "DeepSadSettings",
    "Detector",
    "FeatureMap",
    "Rate",
    "SpectralView",
    "StatisticsHead",
    "Views",
    "auc",
    "can_certify",
    "conformal_p",
    "fit_detector",
    "fit_features",
    "fit_spectral",
    "fit_statistics",
    "has_spectrum",
    "p_floor",
    "threshold_at_fnr",
    "train_deepsad",
]
