"""Fits that saw few photographs, shown photographs that they did not see.

Three generators, their first witness alone: DCGAN 0 and 1 of the zoo, to which photographs are
strange, and a real upscaler (waifu2x noise1), whose own images are photographs. Each fit has
patches of other photographs as its only foreign images; all are shown the same patches of the same
unseen ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.quality_parts.inversions import CachedInverter
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.upscalers import inputs_for, upscaled, waifu2x
from benchmarks.verdicts_parts.first_witness import first_witness
from benchmarks.zoo.train import load_split
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.words_of_rates import WEAK, weakness
from flipad_ops.detection import Null, Rate
from flipad_ops.detection.null import Scores
from flipad_ops.generators import FinalLayer, OutputMap, SplitGenerator, quantise
from flipad_ops.scanning.decisions.family import Family

Row = dict[str, Any]
SECTION, FDR = "photographs", 0.05
#: Origins given to fits of each generator, and how many fits have so many. Those of the upscaler
#: with 10 and 30 origins would take hours.
FITS = {
    "dcgan-0": {3: 4, 10: 3, 30: 3},
    "dcgan-1": {3: 2, 10: 2, 30: 2},
    "waifu2x-noise1": {3: 4},
}
#: DCGAN 1's fits are given other photographs than DCGAN 0's.
FIRST = {"dcgan-0": 0, "dcgan-1": 10, "waifu2x-noise1": 0}
#: Patches of each origin in a fit; of own inputs.
GIVEN, OWN = 40, 6
SEEDS = {"own": 11, "given": 100, "shown": 13}


def rows(zoo: Path, cache: Path, fits: float = 1.0) -> Iterator[Row]:
    """One a fit.

    Parameters
    ----------
    zoo, cache : Path
        Where inversions are kept: own samples and what is shown are the same for all.
    fits : float
        Factor on their number.
    """
    settings, network = _settings(), waifu2x("noise1")
    small, _ = patches(inputs_for(network, 64), OWN, SEEDS["own"], "fit")
    generators = {
        "dcgan-0": (load_split("dcgan-0", zoo), 35, grey),
        "dcgan-1": (load_split("dcgan-1", zoo), 35, grey),
        "waifu2x-noise1": (upscaled(network, small, "waifu2x-noise1"), 12, quantise),
    }
    for name, (generator, each, seen) in generators.items():
        size = generator.sample_shape[-1]
        shown, whose = patches(size, each, SEEDS["shown"], "unseen")
        of = np.unique(whose, return_inverse=True)[1]
        for origins, count in FITS[name].items():
            for number in range(FIRST[name], FIRST[name] + max(1, round(fits * count))):
                images, names = patches(size, GIVEN, SEEDS["given"] + number, "fit", origins)
                foreign = {"photographs": ForeignImages(seen(images), names)}
                fitted = _fitted(generator, foreign, settings, cache)
                yield {"section": SECTION, "generator": name, "origins": origins, "fit": number,
                       **_shown(fitted, seen(shown), of)}  # fmt: skip


def grey(images: Tensor) -> Tensor:
    """One channel, on the 8-bit grid."""
    return quantise(images.mean(dim=1, keepdim=True))


def summarised(found: list[Row]) -> dict[str, Any]:
    """Of the rows above."""
    mine = [row for row in found if row["section"] == SECTION]
    if not mine:
        return {}
    wrong = [row for row in mine if row["rate"] > WEAK]
    return {
        "weak_fit_refused": sum(row["weak"] for row in wrong) / max(1, len(wrong)),
        "unseen_photo_fpr": round(float(np.mean([row["rate"] for row in mine])), 4),
        "unseen_photo_fpr_max": max(row["rate"] for row in mine),
        "interval_coverage": round(float(np.mean([row["inside"] for row in mine])), 3),
        "interval_coverage_by_images": round(
            float(np.mean([row["inside_by_images"] for row in mine])), 3
        ),
        "false_leaks_unseen_photos": max(row["leaks"] for row in mine),
        "false_leaks_unseen_photos_by_images": max(row["leaks_by_images"] for row in mine),
    }


def _settings() -> FitSettings:
    return first_witness(
        own_train=240, own_calibration=240, own_test=60, anchor_samples=200,
        min_negatives=24, more_null=2000, students=0,
    )  # fmt: skip


def _fitted(
    generator: SplitGenerator, foreign: dict[str, ForeignImages], settings: FitSettings, cache: Path
) -> Attributor:
    def remember(
        layer: FinalLayer, output_map: OutputMap, anchor: Tensor, chosen: FitSettings, device: str
    ) -> CachedInverter:
        return CachedInverter(cache, layer, output_map, anchor, chosen.inversion)

    return fit_attributor(generator, foreign, settings, make_inverter=remember).attributor


def _shown(attributor: Attributor, images: Tensor, origins: NDArray[np.int64]) -> Row:
    """What the fit says of its errors, and what they are; by origins, and as if every image were
    one."""
    parts = [attributor.score(some) for some in torch.split(images, 256)]
    score = np.concatenate([part.score for part in parts])
    p = np.concatenate([part.p for part in parts])
    attributed = np.concatenate([part.attributed for part in parts])
    stated = attributor.evaluation["strata"]["photographs"]["fpr"]
    by_images = _by_images(stated)
    rate, null = float(attributed.mean()), attributor.calibration.null_scores
    return {
        "images": len(images), "unseen_origins": int(origins.max()) + 1, "rate": round(rate, 4),
        "stated": [round(stated[name], 4) for name in ("value", "low", "high")],
        "inside": stated["low"] <= rate <= stated["high"],
        "inside_by_images": by_images[0] <= rate <= by_images[1],
        "floor": round(attributor.p_floor, 5),
        "weak": bool(weakness(attributor.evaluation)),
        "leaks": _leaks(p, attributed),
        "leaks_by_images": _leaks(Null(null).p(score), attributed),
    }  # fmt: skip


def _by_images(stated: dict[str, float]) -> tuple[float, float]:
    images = int(stated["count"])
    rate = Rate.of(round(stated["value"] * images), images)
    return rate.low, rate.high


def _leaks(p: Scores, attributed: NDArray[np.bool_]) -> int:
    """Of a scan of exactly these images, at the default false discovery rate."""
    return int((attributed & (p <= Family({"a": p}, FDR).cut)).sum())
