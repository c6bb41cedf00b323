"""The model of the tail of p-values, against foreign images that it was not fitted to.

DCGAN 0 and 1 of the zoo, whose fits knew two other seeds, of which there are no further images
here, and real images, of which there are ("known"). Whatever else a scan would say of an image, its
nearness by both witnesses has a p-value by the model; shares at most that small are listed, and of
own images, as scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.quality_parts.material import load_target
from benchmarks.regeneration_parts.alterations import AS_MADE, altered
from benchmarks.regeneration_parts.field import Field
from benchmarks.regeneration_parts.zoo_section import kinds_of, sizes_at, zoo_target
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.joint_tail import both
from flipad_ops.regeneration.pursuit import pursue

Row = dict[str, Any]
SECTION, TARGETS, OWN, FOREIGN = "tail", (0, 1), 300, 1000
#: The half that the encoder guesses nearest is followed; of the others nothing is small.
LEVELS, FOLLOWED = (1e-2, 1e-3, 1e-4, 1e-5, 5e-7), 0.5
KNOWN = ("real",)


def rows(field: Field) -> Iterator[Row]:
    """One a target and kind."""
    for seed in TARGETS:
        _, fitted = zoo_target(field, seed)
        sizes = sizes_at(field)
        counts = {"own_test": field.count(OWN), "foreign_test": field.count(FOREIGN)}
        target = load_target(seed, field.zoo, type(sizes)(**{**vars(sizes), **counts}))
        sets = {"own": target.own_test, **kinds_of(target)}
        for kind, images in sets.items():
            pixels = altered(images, AS_MADE)
            p = fitted.both.score(pixels).p if kind == "own" else modelled(fitted.both, pixels)
            shares = {f"p <= {level:g}": round(float((p <= level).mean()), 5) for level in LEVELS}
            yield {"section": SECTION, "target": f"dcgan-{seed}", "kind": kind,
                   "known": kind in KNOWN, "images": len(pixels), **shares,
                   "least": float(f"{p.min():.2g}")}  # fmt: skip


def modelled(attributor: Attributor, pixels: torch.Tensor) -> np.ndarray:
    """p-values (n,) by the model alone, of all images but those that are guessed far away."""
    tail, second = attributor.calibration.joint_tail, attributor.second
    assert tail is not None
    assert second is not None
    chosen, beyond = pursue(second.regenerator, pixels, round(FOLLOWED * len(pixels)))
    views = attributor.views(attributor.invert(pixels[chosen]).z, pixels[chosen])
    p = np.ones(len(pixels))
    p[chosen.numpy()] = tail.p(both(attributor.detector.apart(views).numpy(), beyond.numpy()))
    return p


def summarised(found: list[Row]) -> Row:
    """Of the rows above."""
    mine = [row for row in found if row["section"] == SECTION]
    foreign = [row for row in mine if row["kind"] != "own"]
    if not foreign:
        return {}
    own = [row for row in mine if row["kind"] == "own"]
    known = [row for row in foreign if row["known"]]
    return {
        "tail_known_at_1e-3": max(row["p <= 0.001"] for row in known),
        "tail_unseen_at_1e-3_max": max(row["p <= 0.001"] for row in foreign),
        "tail_unseen_at_1e-5_max": max(row["p <= 1e-05"] for row in foreign),
        "tail_own_at_5e-7_min": min(row["p <= 5e-07"] for row in own),
    }
