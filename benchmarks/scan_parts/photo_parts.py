"""Patches of three photographs that dependencies ship."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets
import torch
from PIL import Image
from torch import Tensor

SIZE = 64


def photographs() -> dict[str, Path]:
    """Real photographs that dependencies ship."""
    bundled = Path(sklearn.datasets.__file__).parent / "images"
    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return {
        "china": bundled / "china.jpg",
        "flower": bundled / "flower.jpg",
        "portrait": portrait,
    }


def patches(photo: Image.Image, count: int, seed: int) -> Tensor:
    """(count, 3, 64, 64) in [0, 1]: random places, at full and at half scale in turn."""
    half = photo.resize((photo.width // 2, photo.height // 2), Image.Resampling.LANCZOS)
    source = np.random.default_rng(seed)
    found = []
    for index in range(count):
        array = np.asarray((photo, half)[index % 2])
        top, left = (int(source.integers(side - SIZE + 1)) for side in array.shape[:2])
        found.append(array[top : top + SIZE, left : left + SIZE])
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255
