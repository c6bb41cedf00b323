"""Small generators whose every relative is at hand, and everything that befalls an image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.quality_parts.material import ARCHITECTURES, Sizes, Target, load_target, siblings
from benchmarks.quality_parts.rows import foreign_of, ours_settings
from benchmarks.regeneration_parts.alterations import ALTERATIONS, AS_MADE, altered
from benchmarks.regeneration_parts.field import (
    Field,
    Fitted,
    Row,
    fit_reported,
    kept_fit,
    verdict_rows,
)
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.stages.remake_time import LEAST_FOREIGN, LEAST_OWN

OWN, FOREIGN, TIMED = 60, 30, 64
SECTION, FEW = "zoo", "zoo_few"


def sizes_at(field: Field) -> Sizes:
    """What the fit is given and the cells hold; at most the benchmark of quality's."""
    sizes = Sizes().scaled(min(1.0, field.budget))
    return replace(
        sizes,
        own_calibration=max(80, sizes.own_calibration),
        own_test=field.count(OWN),
        foreign_test=field.count(FOREIGN),
        perturbed=4,
    )


def zoo_target(field: Field, seed: int, few: bool = False) -> tuple[Target, Fitted]:
    """DCGAN `seed`, and its attributor by the default recipe, fitted once; with `few`, with as few
    calibration images for the second witness as a fit takes that is short of time."""
    target = load_target(seed, field.zoo, sizes_at(field))

    def fit() -> FitResult:
        settings = ours_settings(target)
        if few:
            least = replace(settings.regeneration, own=LEAST_OWN, foreign=LEAST_FOREIGN)
            settings = replace(settings, regeneration=least)
        settings = field.smaller(settings)
        return fit_reported(target.generator, foreign_of(target, True), settings)

    name = f"dcgan-{seed}" + "-few" * few
    return target, kept_fit(field, name, target.generator, fit)


def kinds_of(target: Target) -> dict[str, Tensor]:
    """Held-out foreign images by what they are to the target."""
    seed = target.seed
    names = {"real": "real", **{kind: f"{kind}-{seed}" for kind in ARCHITECTURES}}
    names |= {"other seed": siblings(seed)[1][0], "fine-tuned": f"dcgan-{seed}-tuned"}
    names["distilled"] = f"dcgan-{seed}-distilled"
    return {kind: target.tests[name] for kind, name in names.items() if name in target.tests}


def zoo(field: Field) -> Iterator[Row]:
    """Every alteration, of own images and of every kind of foreign ones."""
    yield from _cells(field, SECTION)


def zoo_few(field: Field) -> Iterator[Row]:
    """The same, with second witnesses fitted to few images."""
    yield from _cells(field, FEW)


def _cells(field: Field, section: str) -> Iterator[Row]:
    for seed in range(field.targets):
        target, fitted = zoo_target(field, seed, section == FEW)
        name = f"dcgan-{seed}"
        yield {
            "section": section, "target": name, "how": "fit", **fitted.facts,
            "cpu_ms_refined": cpu_ms_refined(fitted, target.own_test),
        }  # fmt: skip
        every = {"own": target.own_test, **kinds_of(target)}
        for how in ALTERATIONS:
            sets = {kind: altered(images, how) for kind, images in every.items()}
            yield from verdict_rows(fitted, sets, section=section, target=name, how=how)


def cpu_ms_refined(fitted: Fitted, own: Tensor) -> float | None:
    """CPU milliseconds an image that goes through every step of one way."""
    assert fitted.both.second is not None
    regenerator = fitted.both.second.regenerator
    pixels = altered(own, AS_MADE).to(fitted.both.device)
    whole = regenerator.first_steps + regenerator.steps
    rows = (regenerator.remake(pixels).steps.cpu() == whole).nonzero()[:, 0]
    if not len(rows):
        return None
    batch = regenerator.search.batch
    chosen = rows[torch.arange(max(batch, TIMED // batch * batch)) % len(rows)]
    begun = time.process_time()
    regenerator.remake(pixels[chosen])
    return round(1000 * (time.process_time() - begun) / len(chosen), 2)
