"""How many images a second witness is fitted to in the time that it may take."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.stages import remake_time
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.remake_time import in_time, step_seconds, steps_of
from flipad_ops.generators import SplitGenerator
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings

CHOSEN = RegenerationSettings(minutes=60)


def plan(split: SplitGenerator, chosen: RegenerationSettings = CHOSEN) -> Plan:
    """As far as times go."""
    settings = replace(FitSettings(), regeneration=chosen)
    parts = SimpleNamespace(generator=split, settings=settings, device="cpu", splits={"a": 0})
    return cast("Plan", parts)


def taking(split: SplitGenerator, minutes: float, patch: pytest.MonkeyPatch) -> None:
    """Let a fit with all images be estimated to take so long."""
    step = minutes * 60 / 1.3 / steps_of(split, CHOSEN, 1)
    patch.setattr(remake_time, "step_seconds", lambda plan: step)


def fitted(split: SplitGenerator) -> tuple[int, int]:
    """Own and foreign images."""
    timely = in_time(plan(split))
    assert not isinstance(timely, str)
    assert bool(timely[1]) == (timely[0] != CHOSEN)
    return timely[0].own, timely[0].foreign


def test_halves_until_it_is_done_in_time(
    toy_split: SplitGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = []
    for minutes in (59, 61, 120, 165):
        taking(toy_split, minutes, monkeypatch)
        reached.append(fitted(toy_split))
    assert reached == [(300, 120), (150, 60), (75, 30), (60, 24)]
    assert steps_of(toy_split, replace(CHOSEN, own=60, foreign=24), 1) < steps_of(
        toy_split, CHOSEN, 1
    )


def test_left_out_where_few_take_too_long(
    toy_split: SplitGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(toy_split, 10_000, monkeypatch)
    told = in_time(plan(toy_split))
    assert isinstance(told, str)
    assert told.startswith("The second witness is left out: fitting it would take about ")
    assert "with 60 own images each way and 24 of each foreign source" in told


def test_fewer_than_the_least_are_kept_where_they_are_asked_for(
    toy_split: SplitGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking(toy_split, 10_000, monkeypatch)
    told = in_time(plan(toy_split, RegenerationSettings(own=20, foreign=12)))
    assert isinstance(told, str)
    assert "with 20" not in told


def test_a_step_is_timed(toy_split: SplitGenerator) -> None:
    assert 0 < step_seconds(plan(toy_split)) < 10
    assert torch.is_grad_enabled()
