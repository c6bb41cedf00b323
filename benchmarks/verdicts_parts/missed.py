"""Own images missed, against what the card states with 95% confidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality_parts.rows import SCHEDULE, TOLERANCE
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import load_split
from flipad_ops.attribution.fit_settings import recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import Rate, missed_at_most

Row = dict[str, Any]
SECTION, SEED = "missed", 77
#: Own calibration images, of which half scale the views and half set the threshold; own ones shown.
CALIBRATED, SHOWN = (200, 1000), 3000


def rows(zoo: Path, shown: int = SHOWN) -> Iterator[Row]:
    """DCGAN 0 of the zoo, its first witness, one row a size of calibration."""
    generator = load_split("dcgan-0", zoo)
    foreign = {"real": ForeignImages(fashion("negatives", 800))}
    own = generator.sample(shown, SEED)
    for count in CALIBRATED:
        settings = recipe(
            "default", own_train=400, own_calibration=2 * count, own_test=60, students=0,
            max_negatives=800, more_null=0,
        )  # fmt: skip
        settings = replace(
            settings,
            regeneration=replace(settings.regeneration, encoder_steps=0),
            inversion=replace(settings.inversion, tolerance=TOLERANCE),
            detector=SCHEDULE,
        )
        attributor = fit_attributor(generator, foreign, settings).attributor
        found = [attributor.score(some).attributed for some in torch.split(own, 256)]
        missed = Rate.of(int((~np.concatenate(found)).sum()), shown)
        scores = attributor.calibration.own_scores
        above = int((scores > attributor.calibration.threshold).sum())
        stated = missed_at_most(above, len(scores))
        yield {
            "section": SECTION, "calibrated": len(scores), "images": shown,
            "missed": round(missed.value, 5), "missed_high": round(missed.high, 5),
            "stated": round(stated, 5), "target": settings.fnr, "holds": missed.high <= stated,
        }  # fmt: skip


def summarised(found: list[Row]) -> Row:
    """Of the rows above."""
    mine = [row for row in found if row["section"] == SECTION]
    if not mine:
        return {}
    named = {f"fnr_realised_{row['calibrated']}": row["missed"] for row in mine}
    return {
        "fnr_realised": max(row["missed"] for row in mine), **named,
        "fnr_holds": all(row["holds"] for row in mine),
    }  # fmt: skip
