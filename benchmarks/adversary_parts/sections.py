"""The rows of the results, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.adversary_parts.blackbox import search
from benchmarks.adversary_parts.judge import Outcome, judge, judge_alone, record
from benchmarks.adversary_parts.passive import (
    autoencoder,
    changed,
    through_generator,
    through_layer,
)
from benchmarks.adversary_parts.resynthesis import blend, project
from benchmarks.adversary_parts.surrogate import Surrogate
from benchmarks.adversary_parts.target import NEEDED, SIBLING, Scene
from benchmarks.adversary_parts.whitebox import (
    attack,
    attack_as_jpeg,
    one_level,
    whole_levels,
)
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import load, load_split
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.generators import quantise

Row = dict[str, Any]
#: Radii in grey levels, the smallest ones to show that rounding undoes them.
RADII = (0.25, 0.5, 1, 2, 4, 8)
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3)
QUERIES, BLACK_BOX_RADIUS = (100, 500, 2000), 8
LATENT_STEPS, AUTOENCODER_STEPS = 200, 600
#: Seeds; one may pass where another does not.
AUTOENCODERS = (20, 21, 22, 23)
BLENDS = (0.25, 0.5, 0.75, 0.9)
SEED = 20


@dataclass(frozen=True)
class Counts:
    """Images of each kind: for changes that cost little, gradients, and score queries."""

    passive: int = 100
    gradient: int = 40
    queries: int = 10

    def scaled(self, budget: float) -> Counts:
        """All counts times `budget`."""
        return Counts(**{name: max(4, round(n * budget)) for name, n in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Field:
    """What every section is given."""

    attributor: Attributor
    scene: Scene
    counts: Counts
    zoo: Path

    def kinds(self, count: int) -> dict[str, Tensor]:
        """The first images of each kind."""
        every = {"own": self.scene.own, **self.scene.foreign}
        return {name: images[:count] for name, images in every.items()}


def passive(field: Field) -> Iterator[Row]:
    """No knowledge: files, noise, blur, geometry, and other people's networks."""
    training = fashion("generators")
    coders = {s: autoencoder(training, AUTOENCODER_STEPS, s) for s in AUTOENCODERS}
    sibling = load_split(SIBLING, field.zoo)
    for kind, images in field.kinds(field.counts.passive).items():
        made = {("none", "0"): images, **changed(images, SEED)}
        made |= {
            ("a small autoencoder", f"seed {s}"): quantise(c(images)) for s, c in coders.items()
        }
        made["other", "another version's final layer"] = through_generator(images, sibling)
        for (how, strength), altered in made.items():
            yield record(
                judge(field.attributor, altered), altered, images, section="passive",
                detector="default", kind=kind, how=how, strength=strength,
            )  # fmt: skip


def gradient(field: Field) -> Iterator[Row]:
    """Weights and attributor at hand: both directions, each detector attacked by its own gradient.

    "alone" is DeepSAD on the activation without fusion; "random" a control of the same size.
    """
    attributor = field.attributor
    for kind, images in field.kinds(field.counts.gradient).items():
        for name in ("deepsad alone", "default"):
            alone = name == "deepsad alone"
            surrogate = Surrogate(attributor, alone)
            verdict: Callable[[Attributor, Tensor], Outcome] = judge_alone if alone else judge
            best = images
            for radius in RADII:
                best = attack(surrogate, images, radius, kind != "own", start=best)
                yield record(
                    verdict(attributor, best), best, images, section="gradient", detector=name,
                    kind=kind, how="white box", strength=f"{radius:g}",
                )  # fmt: skip
            if kind == "own":
                for radius in (1, 2):
                    source = torch.Generator().manual_seed(SEED)
                    signs = torch.randint(2, images.shape, generator=source) * 2.0 - 1
                    moved = quantise(images + whole_levels(radius) / 255 * signs)
                    yield record(
                        verdict(attributor, moved), moved, images, section="gradient",
                        detector=name, kind=kind, how="random signs", strength=f"{radius:g}",
                    )  # fmt: skip
                for share in SHARES:
                    moved = one_level(surrogate, images, share)
                    yield record(
                        verdict(attributor, moved), moved, images, section="gradient",
                        detector=name, kind=kind, how="one level in a share of pixels",
                        strength=f"{share:g}",
                    )  # fmt: skip


def lossy(field: Field) -> Iterator[Row]:
    """Framing by way of the view for lossy files."""
    attributor = field.attributor
    surrogate = Surrogate(attributor)
    for kind, images in field.kinds(field.counts.gradient).items():
        for radius in RADII if kind != "own" else ():
            made = attack_as_jpeg(surrogate, images, radius)
            yield record(
                judge(attributor, made), made, images, section="lossy", detector="default",
                kind=kind, how="white box, saved as JPEG 96", strength=f"{radius:g}",
            )  # fmt: skip


def queries(field: Field) -> Iterator[Row]:
    """Scores at hand, nothing else."""
    attributor = field.attributor
    threshold = attributor.calibration.threshold
    for kind, images in field.kinds(field.counts.queries).items():
        found = search(
            lambda x: attributor.score(x).score, images, BLACK_BOX_RADIUS, kind != "own",
            QUERIES, threshold, SEED,
        )  # fmt: skip
        for count, made in zip(QUERIES, found, strict=True):
            yield record(
                judge(attributor, made), made, images, section="queries", detector="default",
                kind=kind, how="score queries", strength=str(count),
            )  # fmt: skip


def resynthesis(field: Field) -> Iterator[Row]:
    """The generator itself as the tool: foreign images made anew by it."""
    attributor, scene = field.attributor, field.scene
    network = load(NEEDED[0], field.zoo).requires_grad_(False)
    parts = (attributor.layer, attributor.output_map, attributor.anchor)
    for kind, images in field.kinds(field.counts.gradient).items():
        if kind == "own":
            continue
        projected = project(
            network, scene.generator.latent, attributor.output_map, images, LATENT_STEPS, SEED
        )
        made = {("final layer", "x' = sigma(W z(x) + b)"): through_layer(images, *parts)}
        made |= {("blend with the nearest own", f"{b:g}"): blend(images, projected, b)
                 for b in BLENDS}  # fmt: skip
        made["whole generator", "nearest own"] = projected
        for (how, strength), x in made.items():
            yield record(
                judge(attributor, x), x, images, section="resynthesis", detector="default",
                kind=kind, how=how, strength=strength,
            )  # fmt: skip


SECTIONS: dict[str, Callable[[Field], Iterator[Row]]] = {
    "passive": passive, "gradient": gradient, "lossy": lossy, "queries": queries,
    "resynthesis": resynthesis,
}  # fmt: skip
