"""Searches of rich latents that end near the line go on, the others do not."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from flipad_ops.regeneration import laps
from flipad_ops.regeneration.laps import LAPS, NEAR, insist
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.trail import Trail
from flipad_ops.regeneration.witness_fit import calibrate_witness
from flipad_ops.regeneration.witness_model import PLAIN
from tests.regeneration.small import generator, images, regenerator


@pytest.fixture(scope="module")
def rich() -> Regenerator:
    """The small one, told that its latents are rich, with judges of 40 own and 40 other images; in
    so few steps most own images do not come all the way."""
    found = dataclasses.replace(regenerator(own=80), rich=True, steps=20)
    own, foreign = images(generator(), 40, 5)[1], images(generator(7), 40, 6)[1]
    calibrate_witness(found, (own, own), (foreign, foreign), images(generator(), 80, 16)[1])
    return found


def followed(rich: Regenerator, pixels: Tensor) -> tuple[Trail, Tensor]:
    """Searched to the end, and how far beyond the limit each is."""
    trail, chosen = rich.begin(pixels), torch.ones(len(pixels), dtype=torch.bool)
    rich.follow(trail, PLAIN, chosen, rich.steps)
    judge = rich.model.judge(PLAIN)
    return trail, judge.beyond(rich.measured(trail, PLAIN, chosen)) - judge.limit


def test_those_refused_near_the_limit_go_on_and_come_no_farther(rich: Regenerator) -> None:
    pixels = torch.cat([images(generator(), 24, 22)[1], images(generator(7), 8, 22)[1]])
    trail, beyond = followed(rich, pixels)
    judge, chosen = rich.model.judge(PLAIN), torch.ones(len(pixels), dtype=torch.bool)
    refused = judge(rich.measured(trail, PLAIN, chosen)) > 0
    near = refused & (beyond.abs() <= NEAR)
    assert 0 < int(near.sum()) < len(near)
    before = trail.guesses[PLAIN].distance
    measured = insist(rich, trail, PLAIN, chosen)
    assert torch.equal(trail.steps > rich.steps, near)
    assert int(trail.steps.max()) <= (1 + LAPS) * rich.steps
    assert bool((trail.guesses[PLAIN].distance <= before + 1e-9).all())
    assert torch.allclose(measured, rich.measured(trail, PLAIN, chosen), atol=0.01)


def test_a_calibration_goes_on_with_accepted_ones_too_but_for_exact_ones(rich: Regenerator) -> None:
    trail, beyond = followed(rich, images(generator(), 24, 23)[1])
    chosen, judge = torch.ones(len(beyond), dtype=torch.bool), rich.model.judge(PLAIN)
    exact = judge.exact(rich.measured(trail, PLAIN, chosen))
    assert 0 < int(exact.sum()) < len(exact)
    insist(rich, trail, PLAIN, chosen, every=True)
    assert torch.equal(trail.steps > rich.steps, (beyond.abs() <= NEAR) & ~exact)


def test_a_scan_goes_on_too(rich: Regenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = dataclasses.replace(rich, model=copy.deepcopy(rich.model))
    strict.model.judge(PLAIN).accept += 1.5  # refuses some own images that are near
    pixels = images(generator(), 24, 24)[1]
    insisted = strict.remake(pixels)
    monkeypatch.setattr(laps, "LAPS", 0)
    once = strict.remake(pixels)
    assert bool((insisted.steps >= once.steps).all())
    assert bool((insisted.steps > once.steps).any())
    assert bool((insisted.distance <= once.distance + 1e-6).all())


def test_other_latents_are_searched_once(rich: Regenerator) -> None:
    plain = dataclasses.replace(rich, rich=False)
    trail, beyond = followed(plain, images(generator(), 8, 25)[1])
    insist(plain, trail, PLAIN, torch.ones(len(beyond), dtype=torch.bool), every=True)
    assert int(trail.steps.max()) == plain.steps
