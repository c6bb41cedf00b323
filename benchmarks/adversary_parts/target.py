"""Who is attacked, and with which images: one zoo target, fitted by the default recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from benchmarks.quality_parts.material import Sizes, load_target
from benchmarks.quality_parts.rows import fit_product
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import build, load_split, members
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import recipe
from flipad_ops.attribution.serialisation import JSON_NAME, load_attributor, save_attributor
from flipad_ops.generators import SplitGenerator

#: Target, the two siblings that its fit sees, and the generator that is framed.
NEEDED = ("dcgan-0", "dcgan-1", "dcgan-2", "lsgan-0")
SIBLING, FRAMED = "dcgan-1", "lsgan-0"
#: Foreign images of the fit: real ones and of each sibling, `null` of each for p-values alone.
SIZES = replace(Sizes(), real=1200, siblings=400, null=2000)
_OWN, _FOREIGN = 818_181, 828_282


@dataclass(frozen=True, eq=False)
class Scene:
    """A generator and held-out images, float32 (n, 1, 32, 32) in [0, 1], none in any fit.

    Parameters
    ----------
    generator : SplitGenerator
    own : Tensor
        Its samples.
    foreign : dict of name to Tensor
        Real images, and samples of a generator that no fit has seen.
    """

    generator: SplitGenerator
    own: Tensor
    foreign: dict[str, Tensor]


def train_zoo(zoo: Path, budget: float = 1.0) -> None:
    """Train the zoo's members that are needed here and missing."""
    known = members()
    build(zoo, budget, {name: known[name] for name in NEEDED})


def scene(zoo: Path, count: int) -> Scene:
    """`count` images of each kind; the test file's last images, which no other benchmark uses."""
    generator = load_split(NEEDED[0], zoo)
    return Scene(
        generator=generator,
        own=generator.sample(count, _OWN),
        foreign={
            "real": fashion("test")[-count:],
            FRAMED: load_split(FRAMED, zoo).sample(count, _FOREIGN),
        },
    )


def fitted(zoo: Path) -> Attributor:
    """The target's attributor by the default recipe, fitted once and then read from the zoo.

    Real images and samples of two sibling versions are its foreign ones.
    """
    folder = zoo / "adversaries" / "default"
    if not (folder / JSON_NAME).exists():
        target = load_target(0, zoo, SIZES)
        result = fit_product(target, zoo / "inversions", recipe("default"), with_siblings=True)
        save_attributor(result.attributor, folder)
    return load_attributor(folder)
