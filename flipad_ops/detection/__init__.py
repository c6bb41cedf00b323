"""Detection: features, DeepSAD, calibration."""

from typing import TYPE_CHECKING

from flipad_ops.common.lazy_names import lazy_names

if TYPE_CHECKING:
    from flipad_ops.detection.bands import has_spectrum
    from flipad_ops.detection.calibration import (
        Rate,
        auc,
        missed_at_most,
        threshold_at_fnr,
    )
    from flipad_ops.detection.deepsad import DeepSad, train_deepsad
    from flipad_ops.detection.deepsad_settings import DeepSadSettings
    from flipad_ops.detection.features import FeatureMap, fit_features
    from flipad_ops.detection.fusion import Branch, Detector
    from flipad_ops.detection.lossy_traces import jpeg_quality, lossy_trace
    from flipad_ops.detection.null import Null
    from flipad_ops.detection.pixel import PixelView, can_view_pixels, fit_pixels
    from flipad_ops.detection.recovered import Recovered
    from flipad_ops.detection.row_view import fit_rows
    from flipad_ops.detection.spectral import fit_spectral
    from flipad_ops.detection.statistics import fit_statistics
    from flipad_ops.detection.training import fit_detector
    from flipad_ops.detection.training_material import DetectorSettings, Material, TrainingData
    from flipad_ops.detection.view import Inputs, Stored, View
    from flipad_ops.detection.views import every_view, stored_detector, view_configs

__all__ = [
    "Branch",
    "DeepSad",
    "DeepSadSettings",
    "Detector",
    "DetectorSettings",
    "FeatureMap",
    "Inputs",
    "Material",
    "Null",
    "PixelView",
    "Rate",
    "Recovered",
    "Stored",
    "TrainingData",
    "View",
    "auc",
    "can_view_pixels",
    "every_view",
    "fit_detector",
    "fit_features",
    "fit_pixels",
    "fit_rows",
    "fit_spectral",
    "fit_statistics",
    "has_spectrum",
    "jpeg_quality",
    "lossy_trace",
    "missed_at_most",
    "stored_detector",
    "threshold_at_fnr",
    "train_deepsad",
    "view_configs",
]

__getattr__ = lazy_names(
    __name__,
    {
        "bands": "has_spectrum",
        "calibration": "Rate auc missed_at_most threshold_at_fnr",
        "deepsad": "DeepSad train_deepsad",
        "deepsad_settings": "DeepSadSettings",
        "features": "FeatureMap fit_features",
        "fusion": "Branch Detector",
        "lossy_traces": "jpeg_quality lossy_trace",
        "null": "Null",
        "pixel": "PixelView can_view_pixels fit_pixels",
        "recovered": "Recovered",
        "row_view": "fit_rows",
        "spectral": "fit_spectral",
        "statistics": "fit_statistics",
        "training": "fit_detector",
        "training_material": "DetectorSettings Material TrainingData",
        "view": "Inputs Stored View",
        "views": "every_view stored_detector view_configs",
    },
)
