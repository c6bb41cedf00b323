"""The images of one target: whose they are decides what they may be used for.

Training sees `own` (drawn inside the fit), real images of the "negatives" part and, where a row
says so, samples of sibling versions. Tests see other latents, the real "test" part and generators
that no row trains on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.quality_parts.perturbations import PERTURBATIONS
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import load_split
from flipad_ops.generators import SplitGenerator

#: Seeds of the zoo's DCGANs; a target is one of the first three.
DCGANS = range(5)
ARCHITECTURES = ("wgan-gp", "lsgan", "ebgan", "vae")
_OWN_TEST, _FOREIGN = 515_151, 626_262


@dataclass(frozen=True)
class Sizes:
    """Images of each kind at budget 1; `null` more of each source calibrate p-values alone."""

    own_train: int = 1600
    own_calibration: int = 800
    own_test: int = 300
    real: int = 1200
    siblings: int = 400
    null: int = 2800
    foreign_test: int = 150
    perturbed: int = 100

    def scaled(self, budget: float) -> Sizes:
        """All counts times `budget`."""
        return Sizes(**{name: max(24, round(n * budget)) for name, n in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Target:
    """A generator under protection and all images of its rows.

    Parameters
    ----------
    real_negatives : Tensor
        Real images for training and null calibration.
    seen : dict of sibling name to Tensor
        Samples of the two versions that are in the registry.
    real_null, seen_null : Tensor, dict of sibling name to Tensor
        More of both, which the product's own fit uses for null calibration.
    own_test : Tensor
    tests : dict of name to Tensor
        Held-out foreign images by source.
    more_real, more_seen : Tensor, dict of name to Tensor
        More nulls of the kinds that calibrate, for error rates; in no training and no other test.
    """

    seed: int
    generator: SplitGenerator
    sizes: Sizes
    real_negatives: Tensor
    seen: dict[str, Tensor]
    real_null: Tensor
    seen_null: dict[str, Tensor]
    own_test: Tensor
    tests: dict[str, Tensor]
    more_real: Tensor
    more_seen: dict[str, Tensor]

    def perturbed(self, how: str) -> tuple[Tensor, Tensor]:
        """A few own and real test images after one perturbation."""
        source = torch.Generator().manual_seed(self.seed)
        count = self.sizes.perturbed
        own, real = self.own_test[:count], self.tests["real"][:count]
        return PERTURBATIONS[how](own, source), PERTURBATIONS[how](real, source)


def siblings(seed: int) -> tuple[list[str], list[str]]:
    """Names of the two sibling versions in the registry and of the unseen ones."""
    others = [f"dcgan-{other}" for other in DCGANS if other != seed]
    return others[:2], others[2:]


def load_target(seed: int, zoo: Path, sizes: Sizes) -> Target:
    """Everything around the DCGAN of `seed`; members that are not trained yet are left out."""
    generator = load_split(f"dcgan-{seed}", zoo)
    seen, unseen = siblings(seed)
    tests = {"real": fashion("test", 10_000)[seed * 2000 :][: sizes.foreign_test]}
    kinds = [f"{kind}-{number}" for kind in ARCHITECTURES for number in range(3)]
    for name in (*kinds, *unseen, f"dcgan-{seed}-tuned", f"dcgan-{seed}-distilled"):
        if (zoo / f"{name}.safetensors").exists():
            tests[name] = load_split(name, zoo).sample(sizes.foreign_test, _FOREIGN + seed)
    start, stop = seed * 4000, seed * 4000 + sizes.real
    both = {
        name: load_split(name, zoo).sample(sizes.siblings + sizes.null, _FOREIGN + 10 + seed)
        for name in seen
    }
    return Target(
        seed=seed,
        generator=generator,
        sizes=sizes,
        real_negatives=fashion("negatives")[start:stop],
        seen={name: images[: sizes.siblings] for name, images in both.items()},
        real_null=fashion("negatives")[stop : stop + sizes.null],
        seen_null={name: images[sizes.siblings :] for name, images in both.items()},
        more_real=fashion("test", 10_000)[6000 + seed * 1000 :][: 2 * sizes.foreign_test],
        more_seen={
            name: load_split(name, zoo).sample(2 * sizes.foreign_test, _FOREIGN + 20 + seed)
            for name in seen
        },
        own_test=generator.sample(sizes.own_test, _OWN_TEST + seed),
        tests=tests,
    )
