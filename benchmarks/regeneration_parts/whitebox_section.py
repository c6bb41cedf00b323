"""Who has weights and attributor: framing both witnesses at once, and hiding from both."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.adversary_parts.surrogate import Surrogate
from benchmarks.adversary_parts.whitebox import attack
from benchmarks.regeneration_parts.field import Field, Row, counted, verdict_rows
from benchmarks.regeneration_parts.joint_attack import attack_both
from benchmarks.regeneration_parts.zoo_section import kinds_of, zoo_target
from flipad_ops.generators import quantise

SECTION = "whitebox"
ATTACKED, SEED = 15, 20
FRAMING, HIDING = (2, 4, 8), (1, 2, 4, 8)


def whitebox(field: Field) -> Iterator[Row]:
    """Each radius goes on from what the smaller one found."""
    target, fitted = zoo_target(field, 0)
    count, kinds = field.count(ATTACKED), kinds_of(target)
    base = {"section": SECTION, "target": "dcgan-0"}
    for kind in ("real", "lsgan"):
        images = kinds[kind][:count]
        framed = attack(Surrogate(fitted.first), images, 4, True)
        yield from verdict_rows(fitted, {kind: framed}, **base, how="framing the first", levels=4)
        for how, first in (("framing the second", False), ("framing both", True)):
            start = images
            for levels in FRAMING:
                made = attack_both(fitted.both, images, levels, True, first=first, start=start)
                start = made.images
                alone = fitted.first.score(start).attributed
                yield counted(made.attributed, alone, **base, kind=kind, how=how, levels=levels)
    own, start = target.own_test[:count], target.own_test[:count]
    for levels in HIDING:
        made = attack_both(fitted.both, own, levels, False, start=start)
        start = made.images
        alone = fitted.first.score(start).attributed
        yield counted(made.attributed, alone, **base, kind="own", how="hiding from both",
                      levels=levels)  # fmt: skip
        signs = torch.randint(2, own.shape, generator=torch.Generator().manual_seed(SEED)) * 2.0 - 1
        moved = quantise(own + levels / 255 * signs)
        yield from verdict_rows(fitted, {"own": moved}, **base, how="random signs", levels=levels)
