"""What happens to images on their way before they are found."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flipad_ops.attribution.augmentation import (
    Perturbation,
    blur,
    crop,
    noise,
    resize,
    through_file,
)

AS_MADE, ONE_LEVEL, SHIFTED = "as made", "noise of one grey level", "shift by one pixel"
SEED = 20


def _file(format: str, quality: int) -> Perturbation:
    return lambda x, source: through_file(x, format, (quality, quality), source)


def _shift(x: Tensor, _: torch.Generator) -> Tensor:
    return F.pad(x, (1, 0, 0, 0), mode="replicate")[..., :-1]


#: Noise is Gaussian, its size a standard deviation in the range [-1, 1].
ALTERATIONS: dict[str, Perturbation] = {
    AS_MADE: lambda x, _: x,
    **{f"JPEG {quality}": _file("JPEG", quality) for quality in (98, 90, 80, 50)},
    "WebP 90": _file("WEBP", 90),
    ONE_LEVEL: lambda x, source: noise(x, 2 / 255, source),
    "noise 0.1": lambda x, source: noise(x, 0.1, source),
    "blur 3": lambda x, _: blur(x, 3),
    "resize 0.75": lambda x, _: resize(x, 0.75),
    "resize 0.5": lambda x, _: resize(x, 0.5),
    "crop 60/64": lambda x, source: crop(x, 60 / 64, source),
    "crop 55/64": lambda x, source: crop(x, 55 / 64, source),
    "resize 0.75, JPEG 85": lambda x, source: _file("JPEG", 85)(resize(x, 0.75), source),
    SHIFTED: _shift,
}


def altered(images: Tensor, how: str) -> Tensor:
    """float32 (n, channels, height, width) in [0, 1] on the 8-bit grid, altered alike."""
    return ALTERATIONS[how](images, torch.Generator().manual_seed(SEED))
