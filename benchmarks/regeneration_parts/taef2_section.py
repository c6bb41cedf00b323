"""A real autoencoder of latent diffusion: its decoded photographs against photographs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.regeneration_parts.aedr import Aedr
from benchmarks.regeneration_parts.alterations import altered
from benchmarks.regeneration_parts.field import (
    Field,
    Fitted,
    Row,
    counted,
    fit_reported,
    kept_fit,
    said,
)
from benchmarks.regeneration_parts.latent_tracer import LatentTracer
from benchmarks.regeneration_parts.photo_fits import (
    TEST_FOREIGN,
    TEST_OWN,
    foreign_photographs,
    own_photographs,
    photo_settings,
    with_detail,
)
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.taef2 import decode, encode, taef2
from flipad_ops.detection import auc
from flipad_ops.generators import quantise

Scores = NDArray[np.float64]
HOW = ("as made", "JPEG 90")
#: Of all that is resampled for an AUC's interval.
RESAMPLED, SEED = 1000, 20


SECTION, SIZE, TESTED = "taef2", 64, 60
#: Own training samples; own and foreign calibration images of the second witness.
OWN, WITNESS = 400, (60, 24)


def fitted_taef2(field: Field) -> Fitted:
    """With photographs as the only foreign images."""
    settings = photo_settings(field, OWN, *WITNESS)
    generator = taef2(own_photographs(settings, SIZE))
    return kept_fit(
        field, f"taef2-{SIZE}", generator,
        lambda: fit_reported(generator, foreign_photographs(field, SIZE), settings),
    )  # fmt: skip


def tested(size: int, count: int) -> tuple[dict[str, Tensor], dict[str, Row]]:
    """Own images, decoded from latents of photographs that no fit saw, and other patches of
    photographs that no fit saw; one of each origin. And facts about both."""
    inputs, origins = patches(size, 1, TEST_OWN, "unseen", limit=2 * count)
    with torch.no_grad():
        own = torch.cat([quantise(decode(encode(x))) for x in torch.split(inputs, 8)])
    own, of = with_detail(own, origins, count)
    photographs, of_photographs = with_detail(*patches(size, 1, TEST_FOREIGN, "unseen"), count)
    return {"own": own, "photographs": photographs}, {"own": of, "photographs": of_photographs}


def taef2_small(field: Field) -> Iterator[Row]:
    """A fit, and baselines on the same images."""
    fitted = fitted_taef2(field)
    base: Row = {"section": SECTION, "target": "taef2"}
    yield {**base, "how": "fit", **fitted.facts}
    images, seen = tested(SIZE, field.count(TESTED))
    for how in HOW:
        sets = {kind: altered(part, how) for kind, part in images.items()}
        scores: dict[str, dict[str, Scores]] = {}
        for kind, part in sets.items():
            begun = time.process_time()
            found, alone = fitted.both.score(part), fitted.first.score(part)
            row = counted(found.attributed, alone.attributed, **base, how=how, kind=kind,
                          **seen[kind])  # fmt: skip
            yield {**row, "cpu_s_an_image": round((time.process_time() - begun) / len(part), 2)}
            scores.setdefault("ours", {})[kind] = found.score
            scores.setdefault("first witness alone", {})[kind] = alone.score
        yield from auc_rows(base, how, scores, sets)


def auc_rows(
    base: Row, how: str, scores: dict[str, dict[str, Scores]], sets: dict[str, Tensor]
) -> Iterator[Row]:
    """AUCs of these scores by method and kind, and of the baselines."""
    count = sum(map(len, sets.values()))

    def row(name: str, both: dict[str, Scores]) -> Row:
        return {**base, "how": how, "kind": "AUC", "method": name, "images": count,
                **auc_of(both["own"], both["photographs"])}  # fmt: skip

    for name, both in scores.items():
        yield row(name, both)
    for name, score in baselines().items():
        said(f"{base['section']}, {how}: {name}")
        yield row(name, {kind: score(x).numpy() for kind, x in sets.items()})


def baselines() -> dict[str, Callable[[Tensor], Tensor]]:
    """Scores, low means ours."""
    tracer = LatentTracer(encode, decode, batch=4)
    return {"AEDR": Aedr(encode, decode).score, "LatentTracer": tracer.score}


def auc_of(own: Scores, foreign: Scores) -> Row:
    """With a 95% bootstrap interval over images, each of an origin of its own."""
    draw = np.random.default_rng(SEED)
    values = [
        auc(draw.choice(own, len(own)), draw.choice(foreign, len(foreign)))
        for _ in range(RESAMPLED)
    ]
    low, high = np.quantile(values, (0.025, 0.975))
    return {
        "auc": round(auc(own, foreign), 4),
        "auc_95": [round(float(low), 4), round(float(high), 4)],
    }
