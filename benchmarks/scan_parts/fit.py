"""The attributor of the public face DCGAN, fitted as docs/face-dcgan.md does."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from benchmarks.face_sources import CUT, part, patches, photographs
from benchmarks.scan_parts.content import face_generator
from flipad_ops.attributor_io import save_attributor
from flipad_ops.fit_settings import recipe
from flipad_ops.fitting import fit_attributor
from flipad_ops.negatives import ForeignImages


def fit(folder: Path, own: int, foreign: int) -> None:
    """Fit into `folder`: `own` samples for training and as many for the threshold.

    The negatives are patches of the left part of three photographs, `foreign` in all.
    """
    paths = photographs().values()
    images = [patches(part(p, 0.0, CUT), foreign // 3, 20 + n) for n, p in enumerate(paths)]
    sizes = {"own_train": own, "own_calibration": own, "own_test": max(own // 4, 40)}
    settings = recipe("fast", max_negatives=foreign, anchor_samples=1000, **sizes)
    negatives = {"photos": ForeignImages(torch.cat(images))}
    result = fit_attributor(face_generator(), negatives, settings, progress=say)
    save_attributor(result.attributor, folder)


def say(stage: str, done: int, total: int) -> None:
    """Progress, on stderr."""
    if done in (0, total):
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {stage} {done}/{total}\n")
