"""Own images missed, against what the card states with 95% confidence."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.verdicts_parts.first_witness import first_witness
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import load_split
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import Rate, missed_at_most

Row = dict[str, Any]
SECTION, SEED = "missed", 77
#: Own calibration images that set the threshold (as many others scale the views); fits by seed; own
#: images shown to each.
CALIBRATED, FITS, SHOWN = (200, 1000), 10, 3000


def rows(zoo: Path, shown: int = SHOWN) -> Iterator[Row]:
    """DCGAN 0 of the zoo, its first witness, one row a size of calibration."""
    generator = load_split("dcgan-0", zoo)
    foreign = {"real": ForeignImages(fashion("negatives", 800))}
    own = generator.sample(shown, SEED)
    for count, seed in itertools.product(CALIBRATED, range(FITS)):
        settings = first_witness(
            own_train=400, own_calibration=2 * count, own_test=60, students=0,
            max_negatives=800, more_null=0, seed=seed,
        )  # fmt: skip
        attributor = fit_attributor(generator, foreign, settings).attributor
        found = [attributor.score(some).attributed for some in torch.split(own, 256)]
        missed = int((~np.concatenate(found)).sum())
        scores = attributor.calibration.own_scores
        above = int((scores > attributor.calibration.threshold).sum())
        stated = missed_at_most(above, len(scores))
        yield {
            "section": SECTION, "calibrated": len(scores), "seed": seed, "images": shown,
            "missed": missed, "share": round(missed / shown, 5), "stated": round(stated, 5),
            "target": settings.fnr, "within": missed / shown <= stated,
        }  # fmt: skip


def summarised(found: list[Row]) -> Row:
    """Of the rows above: fits together, and the upper end of the 95% interval."""
    mine, told = [row for row in found if row["section"] == SECTION], Row()
    for count in sorted({row["calibrated"] for row in mine}):
        fits = [row for row in mine if row["calibrated"] == count]
        rate = Rate.of(sum(row["missed"] for row in fits), sum(row["images"] for row in fits))
        told |= {
            f"fnr_realised_{count}": round(rate.value, 5),
            f"fnr_realised_{count}_high": round(rate.high, 5),
            f"fnr_stated_{count}": min(row["stated"] for row in fits),
            f"fnr_within_{count}": sum(row["within"] for row in fits) / len(fits),
        }
    return told
