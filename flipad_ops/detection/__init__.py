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

__all__ = [
    "DeepSad",
    "DeepSadSettings",
    "FeatureMap",
    "Rate",
    "auc",
    "can_certify",
    "conformal_p",
    "fit_features",
    "p_floor",
    "threshold_at_fnr",
    "train_deepsad",
]
