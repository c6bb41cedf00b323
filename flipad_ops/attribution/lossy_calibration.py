"""Calibration and evaluation of the view that decides on images out of lossy files.

Compression removes what tells versions of one model apart. The threshold is set on unrelated
images, or no such view would be left where versions are known; the null holds the versions as well,
so that their files are no leaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.augmentation import LOSSY, mixture
from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit, held_out_origins
from flipad_ops.attribution.seeds import stream
from flipad_ops.detection import Detector, threshold_at_fnr

Scores = NDArray[np.float64]
_TINY = 1e-12
#: Foreign calibration images that the view may take for own ones; where own samples alone would
#: let it take more, its threshold is tightened.
MAX_FPR = 0.01
#: A view whose threshold then keeps fewer own samples is not worth having.
MIN_KEPT = 0.5


def calibrate_lossy(
    detector: Detector,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    threshold: float,
    device: str = "cpu",
) -> dict[str, Scores]:
    """Bring the view's threshold to `threshold` and score its null; drop a view that cannot tell.

    With few foreign images to learn from, the view accepts too much. Its null shows that, so the
    threshold is the stricter of what `settings.fnr` asks and what leaves a false positive rate of
    at most 1% in every stratum.

    Parameters
    ----------
    detector : Detector
        Its `lossy_scale` is set, or its view for lossy files is taken away; without such a view
        nothing happens.
    own : Tensor, float32, (n, *sample_shape) in [0, 1]
        Own calibration samples as made.
    splits : mapping of source to ForeignSplit

    Returns
    -------
    dict of stratum to (n,) float64
        Scores of recompressed calibration images; empty when there is no such view (any more).
    """
    if detector.lossy is None:
        return {}
    seed = stream(settings.seed, "lossy calibration")
    made = mixture(own, seed, LOSSY).to(device)
    branch = detector.lossy
    views = branch.views(made, made, made)
    branch.calibrate(views.cpu().numpy(), settings.fnr)
    own_scores = branch.combine(views).cpu().numpy()
    null = {
        name: branch.of_pixels(mixture(split.calibration, seed, LOSSY).to(device)).cpu().numpy()
        for name, split in splits.items()
    }
    strange = [scores for name, scores in null.items() if not splits[name].sibling]
    strictest = map(_threshold_at_fpr, strange)
    limit = min([threshold_at_fnr(own_scores, settings.fnr), *strictest])
    if not strange or (own_scores <= limit).mean() < MIN_KEPT:
        detector.lossy = None
        return {}
    scale = max(limit / threshold, _TINY)
    detector.lossy_scale.fill_(scale)
    return {name: scores / scale for name, scores in null.items()}


def _threshold_at_fpr(null: Scores) -> float:
    """The largest threshold below which at most `MAX_FPR` of the null lies."""
    first_out = np.sort(null)[int(MAX_FPR * len(null))]
    return float(np.nextafter(first_out, -np.inf))


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
    seed = stream(settings.seed, "lossy test")

    def score(images: Tensor) -> Scores:
        screen = detector.screen(mixture(images, seed, LOSSY).to(detector.lossy_scale.device))
        return torch.where(screen.recompressed, screen.score, torch.inf).cpu().numpy()

    # Versions are not told apart here: they are in the null, and there is no rate to promise.
    strata = {name: score(split.test) for name, split in splits.items() if not split.sibling}
    return evaluate_scores(score(own), strata, threshold, held_out_origins(splits))
