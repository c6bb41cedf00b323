"""Fits whose only foreign source are photographs, and images whose photographs no fit saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from benchmarks.quality_parts.rows import SCHEDULE, TOLERANCE
from benchmarks.regeneration_parts.field import Field, Row
from benchmarks.regeneration_parts.photographs import origins, patches
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.regeneration.measures import flat
from flipad_ops.regeneration.observation import PixelBox

#: Seeds of patches: of own inputs and of photographs in the fit, of own inputs and photographs
#: in the test.
FIT_OWN, FIT_FOREIGN, TEST_OWN, TEST_FOREIGN = 1, 2, 3, 4
#: Patches of each origin in a fit.
PER_ORIGIN = 8


def photo_settings(field: Field, own: int, witness_own: int, witness_foreign: int) -> FitSettings:
    """The default recipe with fewer samples: `own` for training, three quarters as many for
    calibration."""
    settings = recipe(
        "default", own_train=field.count(own, 60), own_calibration=field.count(3 * own // 4, 60),
        own_test=60, anchor_samples=200, min_negatives=24, more_null=400,
        students=0,  # one behind a large final layer trains for minutes
    )  # fmt: skip
    regeneration = replace(
        settings.regeneration, own=witness_own, foreign=witness_foreign, minutes=1000
    )
    return field.smaller(
        replace(
            settings,
            inversion=replace(settings.inversion, tolerance=TOLERANCE),
            detector=SCHEDULE,
            regeneration=regeneration,
        )
    )


def with_detail(images: Tensor, names: Sequence[str], count: int) -> tuple[Tensor, Row]:
    """The first `count` that are not flat, whoever made them, and a row's facts about them.

    Parameters
    ----------
    images : Tensor, float32, (n, 3, height, width) in [0, 1] on the 8-bit grid
    names : sequence of str, of length n
        Origins.
    """
    plain = flat(images, PixelBox(images, 1 / 255))
    rows = (~plain).nonzero()[:count, 0].tolist()
    passed = int(plain[: rows[-1]].sum())
    return images[rows], {"origins": len({names[row] for row in rows}), "flat": passed}


def foreign_photographs(field: Field, size: int) -> dict[str, ForeignImages]:
    """Of part "fit", those of one origin never in two parts of the fit."""
    images, groups = patches(size, field.count(PER_ORIGIN, 2), FIT_FOREIGN, "fit")
    return {"photographs": ForeignImages(images, groups)}


def own_photographs(settings: FitSettings, size: int) -> Tensor:
    """Of part "fit", as many patches as the fit draws own samples, and one of each more."""
    wanted = settings.own_train + settings.own_calibration + settings.own_test
    return patches(size, math.ceil(wanted / len(origins("fit"))) + 1, FIT_OWN, "fit")[0]
