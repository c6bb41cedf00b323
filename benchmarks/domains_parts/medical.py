"""Greyscale images: the paper's medical row, on Fashion-MNIST in place of images that need consent.

As in the paper the negatives are of a WGAN-GP; real images come beside it.
"""

from __future__ import annotations

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._sizes import scaled, settings
from benchmarks.domains_parts._zoo import member
from benchmarks.zoo.data import fashion
from flipad_ops.negatives import ForeignImages

_NEGATIVES, _TESTS = 70_707, 80_808


def material(budget: float, seed: int) -> Material:
    """DCGAN 0 against real images, WGAN-GPs, another seed and an LSGAN."""
    generator = member("dcgan-0")
    count = scaled(150, budget)
    foreign = {name: member(name).sample(count, _TESTS + seed)
               for name in ("wgan-gp-0", "wgan-gp-1", "dcgan-3", "lsgan-0")}  # fmt: skip
    return Material(
        title="Greyscale (medical): DCGAN",
        generator=generator,
        negatives={
            "wgan-gp": ForeignImages(
                member("wgan-gp-0").sample(scaled(600, budget), _NEGATIVES + seed)
            ),
            "real": ForeignImages(fashion("negatives")[: scaled(1200, budget)]),
        },
        own_test=generator.sample(scaled(300, budget), OWN_TEST_SEED + seed),
        tests={"real": fashion("test", count), **foreign},
        unseen=("wgan-gp-1", "dcgan-3", "lsgan-0"),
        settings=settings(budget, seed),
        note="One channel, 32x32, DCGAN of 1,000 steps on 40,000 images of Fashion-MNIST; "
        "negatives are a WGAN-GP's samples and real images.",
    )  # fmt: skip
