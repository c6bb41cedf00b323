"""Real photographs that scikit-learn ships, cut into patches for separate purposes.

Each photograph is divided into vertical strips; a purpose owns whole strips, so no pixel serves
two purposes. Within a strip patches may overlap.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

from flipad_ops.common.errors import UsageError

Purpose = Literal["generator", "negatives", "scan"]

#: Strips of each photograph, left to right, as fractions of its width.
STRIPS: dict[str, tuple[float, float]] = {
    "generator": (0.0, 0.4),
    "negatives": (0.4, 0.75),
    "scan": (0.75, 1.0),
}


def photographs() -> list[Tensor]:
    """The sample photographs, each float32 (3, height, width) in [0, 1]."""
    return [
        torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        for image in load_sample_images().images
    ]


def photo_patches(purpose: Purpose, count: int, size: int = 32, seed: int = 0) -> Tensor:
    """`count` patches, float32 (count, 3, size, size) in [0, 1] on the 8-bit grid.

    Drawn at seeded random places of the purpose's strips, half of them mirrored.

    Raises
    ------
    UsageError
        Unknown purpose, or a patch larger than a strip.
    """
    source = torch.Generator().manual_seed(seed)
    patches = []
    own = strips(purpose)
    for index in range(count):
        strip = own[index % len(own)]
        rows, columns = strip.shape[1] - size + 1, strip.shape[2] - size + 1
        if rows < 1 or columns < 1:
            raise UsageError(f"Patches of {size} pixels do not fit a strip of {strip.shape[2]}.")
        top, left, mirror = (
            int(torch.randint(n, (), generator=source)) for n in (rows, columns, 2)
        )
        patch = strip[:, top : top + size, left : left + size]
        patches.append(patch.flip(2) if mirror else patch)
    return torch.stack(patches)


def strips(purpose: Purpose) -> list[Tensor]:
    """The purpose's strip of each photograph.

    Raises
    ------
    UsageError
        Unknown purpose.
    """
    if purpose not in get_args(Purpose):
        raise UsageError(f"Unknown purpose {purpose!r}.")
    start, stop = STRIPS[purpose]
    return [
        photo[:, :, round(start * photo.shape[2]) : round(stop * photo.shape[2])]
        for photo in photographs()
    ]
