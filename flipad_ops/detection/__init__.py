"""Detection: features, DeepSAD, calibration."""

from flipad_ops.detection.alteration_gate import AlterationGate
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
from flipad_ops.detection.fusion import Branch, Detector, Screen
from flipad_ops.detection.lossy_traces import jpeg_quality, lossy_trace
from flipad_ops.detection.pixel import PixelView, can_view_pixels, fit_pixels
from flipad_ops.detection.row_view import RowView, fit_rows
from flipad_ops.detection.spectral import SpectralView, fit_spectral, has_spectrum
from flipad_ops.detection.statistics import StatisticsHead, fit_statistics
from flipad_ops.detection.training import Views, fit_detector

__all__ = [
    "AlterationGate",
    "Branch",
    "DeepSad",
    "DeepSadSettings",
    "Detector",
    "FeatureMap",
    "PixelView",
    "Rate",
    "RowView",
    "Screen",
    "SpectralView",
    "StatisticsHead",
    "Views",
    "auc",
    "can_certify",
    "can_view_pixels",
    "conformal_p",
    "fit_detector",
    "fit_features",
    "fit_pixels",
    "fit_rows",
    "fit_spectral",
    "fit_statistics",
    "has_spectrum",
    "jpeg_quality",
    "lossy_trace",
    "p_floor",
    "threshold_at_fnr",
    "train_deepsad",
]
