"""Calibration and evaluation of the view that decides on images out of lossy files.

Its null is that of unrelated images alone: compression removes what tells versions of one model
apart, so a finding among lossy files names the model, not the version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.detection import Detector, threshold_at_fnr
from flipad_ops.evaluation import evaluate_scores
from flipad_ops.fit_settings import FitSettings
from flipad_ops.negatives import ForeignSplit
from flipad_ops.perturb import LOSSY, mixture

Scores = NDArray[np.float64]
#: Purposes of the seeds, after those of `flipad_ops.fitting`.
_CALIBRATE, _EVALUATE = 11, 12
_TINY = 1e-12


def calibrate_lossy(
    detector: Detector,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    threshold: float,
    device: str = "cpu",
) -> dict[str, Scores]:
    """Bring the view's threshold to `threshold` and score its null.

    Parameters
    ----------
    detector : Detector
        Its `lossy_scale` is set; without such a view nothing happens.
    own : Tensor, float32, (n, *sample_shape) in [0, 1]
        Own calibration samples as made.
    splits : mapping of source to ForeignSplit

    Returns
    -------
    dict of stratum to (n,) float64
        Scores of recompressed calibration images that stem from no relative of the generator.
    """
    if detector.lossy is None:
        return {}
    seed = settings.seed * 1000 + _CALIBRATE
    made = mixture(own, seed, LOSSY).to(device)
    branch = detector.lossy
    views = branch.views(made, made, made)
    branch.calibrate(views.cpu().numpy(), settings.fnr)
    joint = threshold_at_fnr(branch.combine(views).cpu().numpy(), settings.fnr)
    detector.lossy_scale.fill_(max(joint / threshold, _TINY))
    return {
        name: detector.lossy_score(mixture(split.calibration, seed, LOSSY).to(device)).cpu().numpy()
        for name, split in splits.items()
        if not split.sibling
    }


def evaluate_lossy(
    detector: Detector,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    threshold: float,
) -> dict[str, Any]:
    """Held-out figures of recompressed images as the detector routes them; see `evaluate_scores`.

    Those that it does not take for own ones out of lossy files count as refused, as the other
    branches refuse them.
    """
    seed = settings.seed * 1000 + _EVALUATE

    def score(images: Tensor) -> Scores:
        screen = detector.screen(mixture(images, seed, LOSSY).to(detector.lossy_scale.device))
        return torch.where(screen.recompressed, screen.score, torch.inf).cpu().numpy()

    strata = {name: score(split.test) for name, split in splits.items() if not split.sibling}
    return evaluate_scores(score(own), strata, threshold)
