"""What an attack achieved, by the product itself: files are written, read and scored."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.detection import DeepSad
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.png import save_png
from flipad_ops.storage.image_folder import load_folder


@dataclass(frozen=True, eq=False)
class Outcome:
    """One entry an image.

    Parameters
    ----------
    ratio : (n,) float64
        Score over threshold; at or below 1 the image is attributed.
    p : (n,) float64
        NaN for DeepSAD alone, which has no null of its own here.
    attributed : (n,) bool
    """

    ratio: NDArray[np.float64]
    p: NDArray[np.float64]
    attributed: NDArray[np.bool_]


def through_png(images: Tensor) -> Tensor:
    """(n, 1 or 3, height, width) in [0, 1] saved as PNG files and read as scans read them."""
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            save_png(image, Path(folder) / f"{number:06d}.png")
        read = load_folder(folder, Images(tuple(images.shape[1:])))
    return read.images


def judge(attributor: Attributor, images: Tensor) -> Outcome:
    """The product's verdict on (n, *sample_shape) images as PNG files."""
    found = attributor.score(through_png(images))
    threshold = attributor.calibration.threshold
    return Outcome(found.score / threshold, found.p, found.attributed)


def judge_alone(attributor: Attributor, images: Tensor) -> Outcome:
    """What DeepSAD on the activation alone says, at its own threshold for the same FNR."""
    part = attributor.detector.parts[0]
    deepsad = part.named["deepsad"]
    assert isinstance(deepsad, DeepSad)
    activations = attributor.invert(through_png(images)).z
    scores = deepsad.distance(attributor.features(activations)).double() / part.scales[0]
    ratio = scores.numpy()
    return Outcome(ratio, np.full(len(ratio), np.nan), ratio <= 1)


def psnr(images: Tensor, originals: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, (n,) float64; infinite where equal."""
    error = (images - originals).double().flatten(1).square().mean(dim=1)
    return -10 * torch.log10(error)


def record(outcome: Outcome, images: Tensor, originals: Tensor, **row: Any) -> dict[str, Any]:
    """A row of results: `row` first, then figures with Wilson's 95% interval."""
    count, hits = len(outcome.ratio), int(outcome.attributed.sum())
    bounds = binomtest(hits, count).proportion_ci(method="wilson")
    quality = psnr(images, originals)
    known = np.isfinite(outcome.p).all()
    return {
        **row,
        "images": count,
        "attributed": round(hits / count, 4),
        "attributed_95": [round(float(bounds.low), 4), round(float(bounds.high), 4)],
        "median_score": _short(float(np.median(outcome.ratio))),
        "median_p": _short(float(np.median(outcome.p))) if known else None,
        "psnr_db": None if bool(quality.isinf().any()) else round(float(quality.mean()), 1),
        "largest_change": round(float((images - originals).abs().max()) * 255),
    }


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Of a record, as text: share attributed with interval, score, p, PSNR."""
    low, high = (100 * bound for bound in row["attributed_95"])
    p, quality = row["median_p"], row["psnr_db"]
    return {
        "attributed": f"{100 * row['attributed']:.0f}% ({low:.0f} to {high:.0f})",
        "score": f"{row['median_score']:.3g}",
        "p": "-" if p is None else f"{p:.2g}",
        "PSNR": "-" if quality is None else f"{quality:.1f} dB",
    }
