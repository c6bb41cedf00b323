"""What the greyscale rows share: a DCGAN of the zoo against real images and other generators."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._sizes import scaled, settings
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.generators import SplitGenerator

_NEGATIVES, _TESTS = 70_707, 80_808
FOREIGN = ("wgan-gp-0", "wgan-gp-1", "dcgan-3", "lsgan-0")


def greyscale_material(
    title: str,
    made: Callable[[str], SplitGenerator],
    real: Callable[[str, int], Tensor],
    budget: float,
    seed: int,
    **fields: object,
) -> Material:
    """DCGAN 0 against real images, WGAN-GPs, another seed and an LSGAN.

    Parameters
    ----------
    made : callable
        The zoo's member of a name.
    real : callable
        So many real images of a part.
    fields
        Of `Material`.
    """
    generator, count = made("dcgan-0"), scaled(150, budget)
    return Material(
        title=title,
        generator=generator,
        negatives={
            "wgan-gp": ForeignImages(
                made("wgan-gp-0").sample(scaled(600, budget), _NEGATIVES + seed)
            ),
            "real": ForeignImages(real("negatives", scaled(1200, budget))),
        },
        own_test=generator.sample(scaled(300, budget), OWN_TEST_SEED + seed),
        tests={"real": real("test", count)}
        | {name: made(name).sample(count, _TESTS + seed) for name in FOREIGN},
        unseen=FOREIGN[1:],
        settings=settings(budget, seed),
        **fields,  # type: ignore[arg-type]
    )
