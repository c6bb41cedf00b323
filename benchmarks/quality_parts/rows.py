"""The methods under comparison, fitted to one target."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality_parts.baselines import (
    Fitted,
    deepsad_row,
    fingerprint_row,
    inversion_row,
    log_dct,
    pixels,
)
from benchmarks.quality_parts.inversions import CachedInverter
from benchmarks.quality_parts.material import Target
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import DeepSadSettings
from flipad_ops.generators import FinalLayer, OutputMap

#: DeepSAD's schedule in our rows: fewer epochs than the default's, for time.
SCHEDULE = DeepSadSettings(epochs=8)
#: In RawPAD, DCTPAD and FLIPAD as published, which have nothing but DeepSAD.
LONGER = DeepSadSettings(epochs=16)
#: Relative duality gap of every inversion here: looser than the default for half its time.
TOLERANCE = 0.1
SM_INV_STEPS, SM_INV_CALIBRATION = 100, 40


@dataclass(frozen=True, eq=False)
class Method:
    """A row: its label, how it is fitted, and whether it saw sibling versions."""

    label: str
    fit: Callable[[Target, Path], Fitted]
    siblings: bool = False
    few: bool = False


def ours_settings(target: Target, **overrides: Any) -> FitSettings:
    """The default recipe at the benchmark's sample counts and tolerance."""
    sizes = target.sizes
    settings = recipe(
        "default", own_train=sizes.own_train, own_calibration=sizes.own_calibration,
        own_test=24, min_negatives=24, max_negatives=sizes.real + 2 * sizes.siblings,
        more_null=2 * sizes.null, seed=target.seed, **overrides,
    )  # fmt: skip
    return replace(
        settings,
        inversion=replace(settings.inversion, tolerance=TOLERANCE),
        detector=SCHEDULE,
    )


def paper_settings(target: Target) -> FitSettings:
    """The published recipe: its alpha, point target, channels and detector; fewer samples."""
    sizes = target.sizes
    settings = recipe(
        "paper", own_train=sizes.own_train, own_calibration=sizes.own_calibration // 2,
        own_test=24, anchor_samples=2000, min_negatives=24,
        max_negatives=sizes.real + 2 * sizes.siblings, seed=target.seed,
    )  # fmt: skip
    return replace(
        settings,
        inversion=replace(settings.inversion, tolerance=TOLERANCE),
        detector=LONGER,
    )


def fit_product(
    target: Target, cache: Path, settings: FitSettings, with_siblings: bool
) -> FitResult:
    """The product's own fit, remembering inversions in `cache`."""

    def remember(
        layer: FinalLayer, output_map: OutputMap, anchor: Tensor, chosen: FitSettings, device: str
    ) -> CachedInverter:
        return CachedInverter(cache, layer, output_map, anchor, chosen.inversion)

    foreign = foreign_of(target, with_siblings)
    return fit_attributor(target.generator, foreign, settings, make_inverter=remember)


def foreign_of(target: Target, with_siblings: bool) -> dict[str, ForeignImages]:
    """What a fit to the target is given: real images and, if so, its two siblings' samples."""
    foreign = {"real": ForeignImages(torch.cat([target.real_negatives, target.real_null]))}
    if with_siblings:
        foreign |= {
            name: ForeignImages(torch.cat([images, target.seen_null[name]]), sibling=True)
            for name, images in target.seen.items()
        }
    return foreign


def as_fitted(attributor: Attributor) -> Fitted:
    """The product's own scoring."""
    threshold = attributor.calibration.threshold
    return Fitted(lambda images: attributor.score(images).score, threshold, attributor)


def product(settings: Callable[[Target], FitSettings], siblings: bool
            ) -> Callable[[Target, Path], Fitted]:  # fmt: skip
    """A row that is a recipe of the product."""
    return lambda target, cache: as_fitted(
        fit_product(target, cache, settings(target), siblings).attributor
    )


def _own(target: Target) -> tuple[Tensor, Tensor]:
    sizes = target.sizes
    both = target.generator.sample(sizes.own_train + sizes.own_calibration, 40_000 + target.seed)
    return both[: sizes.own_train], both[sizes.own_train :]


def _deepsad(view: Callable[[Tensor], Tensor], siblings: bool) -> Callable[[Target, Path], Fitted]:
    def fit(target: Target, cache: Path) -> Fitted:
        own, calibration = _own(target)
        foreign = [target.real_negatives, *(target.seen.values() if siblings else ())]
        return deepsad_row(view, own, calibration, torch.cat(foreign), LONGER, target.seed)

    return fit


def _fingerprint(target: Target, cache: Path) -> Fitted:
    return fingerprint_row(*_own(target))


def _full_inversion(target: Target, cache: Path) -> Fitted:
    return inversion_row(target.generator, _own(target)[1][:SM_INV_CALIBRATION], SM_INV_STEPS)


METHODS: dict[str, Method] = {
    "sm-f": Method("SM-F fingerprint", _fingerprint),
    "sm-inv": Method("SM-Inv, few samples", _full_inversion, few=True),
    "rawpad": Method("RawPAD", _deepsad(pixels, False)),
    "dctpad": Method("DCTPAD", _deepsad(log_dct, False)),
    "paper": Method("FLIPAD as published", product(paper_settings, False)),
    "ours": Method("ours, first version", product(ours_settings, False)),
    "no-student": Method(
        "ours, first version, without a student", product(partial(ours_settings, students=0), False)
    ),
    "rawpad+": Method("RawPAD, two siblings seen", _deepsad(pixels, True), siblings=True),
    "ours+": Method("ours, two siblings seen", product(ours_settings, True), siblings=True),
}


def timed(method: Method, target: Target, cache: Path) -> tuple[Fitted, float]:
    """Fit, and the CPU seconds it took (remembered inversions cost none)."""
    begin = time.process_time()
    fitted = method.fit(target, cache)
    return fitted, time.process_time() - begin
