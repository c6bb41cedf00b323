"""The same at 256x256, where a fit takes hours of a CPU: how far remade images are, without a fit.

A step of the search takes 0.4 CPU seconds an image. What is scored is the distance of the remade
image over that of the image's own blurred copy, in dB.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.regeneration_parts.alterations import AS_MADE, altered
from benchmarks.regeneration_parts.field import Field, Row, said
from benchmarks.regeneration_parts.photo_fits import FIT_OWN
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.taef2 import encode, taef2
from benchmarks.regeneration_parts.taef2_section import HOW, Scores, auc_rows, tested
from flipad_ops.attribution.two_witnesses import make_regenerator
from flipad_ops.generators.split import PROBES
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_model import FILED, PLAIN, WitnessModel

SECTION, SIZE, TESTED = "taef2_256", 256, 12
LARGEST, LARGEST_SIZE = "taef2_512", 512
STEPS = (10, 30)


def taef2_large(field: Field) -> Iterator[Row]:
    """Baselines on the same images."""
    base: Row = {"section": SECTION, "target": "taef2"}
    regenerator = without_fit(SIZE, TESTED)
    images, _ = tested(SIZE, field.count(TESTED))
    for how in HOW:
        sets = {kind: altered(part, how) for kind, part in images.items()}
        scores: dict[str, Scores] = {}
        for kind, part in sets.items():
            said(f"{SECTION}, {how}: {kind}")
            scores[kind], row = searched(regenerator, part)
            yield {**base, "how": how, "kind": f"{kind}, dB", **row}
        yield from auc_rows(base, how, {"ours, without a fit": scores}, sets)


def taef2_largest(field: Field) -> Iterator[Row]:
    """One own image and one photograph, for the time and the memory that they take."""
    regenerator = without_fit(LARGEST_SIZE, PROBES)
    for kind, part in tested(LARGEST_SIZE, 1)[0].items():
        _, row = searched(regenerator, part)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield {"section": LARGEST, "target": "taef2", "how": AS_MADE, "kind": f"{kind}, dB",
               **row, "peak_mib": round(peak / 1024)}  # fmt: skip


def without_fit(size: int, count: int) -> Regenerator:
    """With judges that were not fitted; `count` photographs tell the range of latents."""
    photographs = patches(size, 1, FIT_OWN, "fit")[0][:count]
    generator, model = taef2(photographs), WitnessModel(None, 0, (3, size, size))
    with torch.no_grad():
        known = encode(photographs)
    model.latents.copy_(torch.stack([known.min(), known.max(), known.std()]))
    first, rest = STEPS
    return make_regenerator(generator, model, RegenerationSettings(first_steps=first, steps=rest))


def searched(regenerator: Regenerator, pixels: Tensor) -> tuple[Scores, Row]:
    """`beyond_blurred`, and a row's facts about it."""
    begun = time.process_time()
    scores = beyond_blurred(regenerator, pixels)
    cpu = (time.process_time() - begun) / len(pixels)
    middle = round(float(np.median(scores)), 2)
    return scores, {"images": len(pixels), "median": middle, "cpu_s_an_image": round(cpu, 2)}


def beyond_blurred(regenerator: Regenerator, pixels: Tensor) -> Scores:
    """dB of the remade image's distance over the blurred copy's, (n,); low means ours."""
    trail = regenerator.begin(pixels)
    found = torch.empty(len(pixels), dtype=torch.float64)
    for way in (PLAIN, FILED):
        chosen = trail.may_go(way, True)
        regenerator.follow(trail, way, chosen, regenerator.first_steps)
        regenerator.follow(trail, way, chosen, regenerator.steps)
        measured = regenerator.measured(trail, way, chosen, False)
        found[chosen] = measured[:, 0] - trail.blurred[chosen]
    return found.numpy()
