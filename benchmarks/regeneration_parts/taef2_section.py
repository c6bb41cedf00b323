"""A real autoencoder of latent diffusion: its decoded photographs against photographs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Plan:
    """A size, own training samples, the witness's calibration images, test images, and gradient
    steps (0: the product's)."""

    section: str
    size: int
    own: int
    witness: tuple[int, int]
    tested: int
    steps: tuple[int, int] = (0, 0)


SMALL = Plan("taef2", 64, 400, (60, 24), 60)
#: An image of sixteen times as many pixels takes sixteen times as long.
LARGE = Plan("taef2_256", 256, 60, (20, 12), 16, (20, 60))


def fitted_taef2(field: Field, plan: Plan) -> Fitted:
    """With photographs as the only foreign images."""
    settings = photo_settings(field, plan.own, *plan.witness)
    if plan is LARGE:
        first, rest = plan.steps
        few = replace(settings.regeneration, first_steps=first, steps=rest)
        settings = replace(settings, own_train=60, own_calibration=60, more_null=0,
                           max_negatives=120, students=0, regeneration=few)  # fmt: skip
    generator = taef2(own_photographs(settings, plan.size))
    return kept_fit(
        field, f"taef2-{plan.size}", generator,
        lambda: fit_reported(generator, foreign_photographs(field, plan.size), settings),
    )  # fmt: skip


def section(plan: Plan) -> Callable[[Field], Iterator[Row]]:
    """Own images are decoded from latents of photographs that no fit saw, foreign ones are other
    patches of photographs that no fit saw; one of each origin."""

    def rows(field: Field) -> Iterator[Row]:
        fitted, count = fitted_taef2(field, plan), field.count(plan.tested)
        base = {"section": plan.section, "target": "taef2"}
        yield {**base, "how": "fit", **fitted.facts}
        inputs, origins = patches(plan.size, 1, TEST_OWN, "unseen", limit=2 * count)
        with torch.no_grad():
            own = torch.cat([quantise(decode(encode(x))) for x in torch.split(inputs, 8)])
        own, of = with_detail(own, origins, count)
        photographs, of_photographs = with_detail(
            *patches(plan.size, 1, TEST_FOREIGN, "unseen"), count
        )
        seen = {"own": of, "photographs": of_photographs}
        for how in HOW:
            sets = {"own": altered(own, how), "photographs": altered(photographs, how)}
            scores: dict[str, dict[str, Scores]] = {}
            for kind, images in sets.items():
                begun = time.process_time()
                found, alone = fitted.both.score(images), fitted.first.score(images)
                row = counted(found.attributed, alone.attributed, **base, how=how, kind=kind,
                              **seen[kind])  # fmt: skip
                yield {
                    **row,
                    "cpu_s_an_image": round((time.process_time() - begun) / len(images), 2),
                }
                scores.setdefault("ours", {})[kind] = found.score
                scores.setdefault("first witness alone", {})[kind] = alone.score
            for name, score in baselines().items():
                said(f"{plan.section}, {how}: {name}")
                scores[name] = {kind: score(x).numpy() for kind, x in sets.items()}
            for name, both in scores.items():
                yield {**base, "how": how, "kind": "AUC", "method": name,
                       "images": len(own) + len(photographs),
                       **auc_of(both["own"], both["photographs"])}  # fmt: skip

    return rows


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
