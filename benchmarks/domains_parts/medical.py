"""Greyscale images: the paper's medical row, on Fashion-MNIST in place of images that need consent.

As in the paper the negatives are of a WGAN-GP; real images come beside it.
"""

from __future__ import annotations

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._greyscale import greyscale_material
from benchmarks.domains_parts._zoo import member
from benchmarks.zoo.data import fashion


def material(budget: float, seed: int) -> Material:
    """See `greyscale_material`."""
    return greyscale_material(
        "Greyscale (medical): DCGAN", member, fashion, budget, seed,
        note="One channel, 32x32, DCGAN of 1,000 steps on 40,000 images of Fashion-MNIST; "
        "negatives are a WGAN-GP's samples and real images.",
    )  # fmt: skip
