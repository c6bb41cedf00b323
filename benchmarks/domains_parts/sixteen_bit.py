"""16-bit greyscale: the DCGAN's output stored with 65,536 levels, foreign images likewise."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._greyscale import greyscale_material
from benchmarks.domains_parts._zoo import member
from benchmarks.zoo.data import fashion
from flipad_ops.generators import SIXTEEN_BIT, SplitGenerator, split_generator


def _deep(name: str) -> SplitGenerator:
    known = member(name)
    forward = known.forward
    return split_generator(forward, {**known.metadata, "bits": 16}, name=name, version="1")


def _real(part: str, count: int) -> torch.Tensor:
    """Shifted by half a pixel, so that 8-bit files give values in between."""
    images = F.avg_pool2d(F.pad(fashion(part, count), (0, 1, 0, 1)), 2, stride=1)
    return SIXTEEN_BIT.round(images)


def material(budget: float, seed: int) -> Material:
    """See `greyscale_material`."""
    return greyscale_material(
        "16-bit greyscale: DCGAN", _deep, _real, budget, seed, step=1 / 65535,
        note="As `medical`, all images with 16 bits; real ones are shifted by half a pixel.",
    )  # fmt: skip
