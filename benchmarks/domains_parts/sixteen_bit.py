"""16-bit greyscale: the DCGAN's output stored with 65,536 levels, foreign images likewise."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._sizes import scaled, settings
from benchmarks.domains_parts._zoo import member
from benchmarks.zoo.data import fashion
from flipad_ops.generators import SIXTEEN_BIT, SplitGenerator, split_generator
from flipad_ops.negatives import ForeignImages

_NEGATIVES, _TESTS = 70_707, 80_808


def _deep(name: str) -> SplitGenerator:
    known = member(name)
    forward = known.forward
    return split_generator(forward, {**known.metadata, "bits": 16}, name=name, version="1")


def _real(part: str, count: int) -> torch.Tensor:
    """Shifted by half a pixel, so that 8-bit files give values in between."""
    images = F.avg_pool2d(F.pad(fashion(part, count), (0, 1, 0, 1)), 2, stride=1)
    return SIXTEEN_BIT.round(images)


def material(budget: float, seed: int) -> Material:
    """DCGAN 0 with 16 bits against real images, WGAN-GPs, another seed and an LSGAN."""
    generator, count = _deep("dcgan-0"), scaled(150, budget)
    names = ("wgan-gp-0", "wgan-gp-1", "dcgan-3", "lsgan-0")
    return Material(
        title="16-bit greyscale: DCGAN",
        generator=generator,
        negatives={
            "wgan-gp": ForeignImages(
                _deep("wgan-gp-0").sample(scaled(600, budget), _NEGATIVES + seed)
            ),
            "real": ForeignImages(_real("negatives", scaled(1200, budget))),
        },
        own_test=generator.sample(scaled(300, budget), OWN_TEST_SEED + seed),
        tests={"real": _real("test", count)}
        | {name: _deep(name).sample(count, _TESTS + seed) for name in names},
        unseen=names[1:],
        settings=settings(budget, seed),
        step=1 / 65535,
        note="As `medical`, all images with 16 bits; real ones are shifted by half a pixel.",
    )
