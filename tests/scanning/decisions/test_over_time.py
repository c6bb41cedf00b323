"""A year of scans: its levels add up to the yearly one, and clean years are clean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipad_ops.scanning.decisions.family import Family
from flipad_ops.scanning.decisions.over_time import (
    FAMILIES,
    YEAR,
    Batch,
    OverTime,
    granted,
    next_batch,
    standing,
)

DAY = 86_400.0
YEARLY, FDR = 0.05, 0.01
#: Seconds between scans: bursts, days, pauses of months, a clock that is set back.
PAUSES = st.one_of(st.floats(-DAY, 60), st.floats(0, 2 * DAY), st.floats(0, 1.5 * YEAR))


def spend(pauses: list[float], yearly: float = YEARLY, fdr: float = FDR) -> list[Batch]:
    now, history = 1e9, list[Batch]()
    for pause in pauses:
        now += pause
        history.append(next_batch(history, now, yearly, fdr, 100))
    return history


@settings(max_examples=150, deadline=None)
@given(st.lists(PAUSES, min_size=1, max_size=60), st.floats(1e-4, 0.5), st.floats(1e-6, 0.5))
def test_no_year_spends_more_than_its_level(pauses: list[float], yearly: float, fdr: float) -> None:
    history = spend(pauses, yearly, fdr)
    assert [batch.number for batch in history] == list(range(1, len(history) + 1))
    assert all(0 <= batch.level <= fdr for batch in history)
    begun, years = history[0].at, dict[int, list[float]]()
    for batch in history:
        years.setdefault(int((batch.at - begun) // YEAR), []).append(batch.level)
    for levels in years.values():
        assert FAMILIES * math.fsum(levels) <= yearly * (1 + 1e-9)
    assert sorted(batch.at for batch in history) == [batch.at for batch in history]


@given(st.integers(1, 1000), st.floats(0, 1), st.booleans())
def test_what_is_granted_grows_with_scans_and_with_time_and_stays_below_all(
    batches: int, passed: float, first: bool
) -> None:
    now = granted(batches, passed, first)
    assert 0 < now <= 1
    assert now <= granted(batches + 1, passed, first)
    assert now <= granted(batches, min(1.0, passed + 0.1), first)


def test_the_first_scan_is_decided_as_if_it_were_alone() -> None:
    """At the defaults the share of the first scan is above the false discovery rate of a scan."""
    first, second = spend([0.0, DAY])
    assert first.level == FDR
    assert FDR / 10 < second.level < FDR


def test_every_day_has_a_level_and_so_has_every_year() -> None:
    history = spend([0.0, *[DAY] * (3 * 365)])
    levels = [batch.level for batch in history]
    even = YEARLY / FAMILIES / 365
    assert min(levels) > even / 3
    assert levels[400] > even / 2
    place = standing(history, history[-1].at, YEARLY, levels[-1], 100, len(history))
    assert (place.year, place.day, place.batch) == (4, 1, 3 * 365 + 1)
    assert place.spent <= YEARLY


def test_what_a_summary_says() -> None:
    history = spend([0.0, *[DAY] * 16])
    place = standing(history, history[-1].at, YEARLY, history[-1].level, 100, 17)
    said = place.said()
    assert said.startswith("Day 17 of this ledger: 100 new tests at level 0.0000")
    assert "of 0.05 a year is spent: at most 5% of years" in said
    assert OverTime.from_dict(place.to_dict()) == place
    none = standing(history, history[-1].at + YEAR, YEARLY, 0.001, 0, 0)
    assert none.said().startswith("Day 17 of year 2 of this ledger: nothing new to test; 0 of")
    cut = standing(history, history[-1].at, YEARLY, 0.001, 1, 0)
    assert "1 new test, not decided before the scan is complete" in cut.said()


@pytest.mark.parametrize("calibration", [0, 19_999])
@pytest.mark.parametrize("alike", [1, 10])
def test_clean_years_are_clean_where_each_scan_alone_is_not(calibration: int, alike: int) -> None:
    """Daily scans, tests of a scan independent or alike by tens, with a floor and without one."""
    source, years, alone, carried = np.random.default_rng(3), 40, 0, 0
    for _ in range(years):
        history, wrong, wrong_alone = list[Batch](), False, False
        for day in range(365):
            p = np.repeat(source.uniform(size=200 // alike), alike)
            if calibration:
                p = np.ceil(p * (calibration + 1)) / (calibration + 1)
            history.append(next_batch(history, day * DAY, YEARLY, FDR, len(p)))
            family = Family({"a": p}, history[-1].level)
            wrong |= family.cut >= 0
            wrong_alone |= family.q(float(p.min())) <= FDR
        carried += wrong
        alone += wrong_alone
    assert carried <= YEARLY * years + 2 * np.sqrt(YEARLY * years)
    assert alone > 0.9 * years  # the fault that this is for


def test_leaks_are_still_called_at_a_price_that_is_known() -> None:
    """On day 100 of daily scans a leak's p-value must be 300 to 400 times smaller than alone."""
    level = spend([0.0, *[DAY] * 99])[-1].level
    assert 300 < FDR / level < 400
    p = np.append(np.linspace(0.01, 1, 99), 1e-8)
    assert Family({"a": p}, level).cut == 1e-8
    assert Family({"a": np.append(p[:-1], 1e-5)}, level).cut < 0
    assert Family({"a": np.append(p[:-1], 1e-5)}, FDR).cut == 1e-5
