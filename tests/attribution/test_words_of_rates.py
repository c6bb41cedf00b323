"""Sentences about held-out figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from flipad_ops.attribution.words_of_rates import WEAK, lacking, weakness
from flipad_ops.detection import Rate


def figures(**hits: int) -> dict[str, Any]:
    """Strata of 100 images of which so many are attributed."""
    return {"strata": {name: {"fpr": asdict(Rate.of(n, 100))} for name, n in hits.items()}}


@pytest.mark.parametrize("kind", ["as made", "altered", "recompressed"])
@pytest.mark.parametrize(("hits", "weak"), [(0, False), (5, False), (9, False), (11, True)])
def test_weak_is_what_lets_more_through_than_chance_explains(
    kind: str, hits: int, weak: bool
) -> None:
    assert (Rate.of(hits, 100).low > WEAK) == weak
    found = figures(photos=0, sibling=hits)
    evaluation = found if kind == "as made" else {**figures(photos=0), kind: found}
    told = weakness(evaluation)
    assert bool(told) == weak
    if weak:
        assert f"{hits}.0%" in told
        assert ("sibling" if kind == "as made" else f"sibling, {kind}") in told
        assert "--negatives" in told
        assert "second witness" in told


def test_few_origins_do_not_excuse_a_fit() -> None:
    """One photograph, all of whose patches pass: nobody knows the next, but this one does."""
    hit = np.ones(40, bool)
    rate = Rate.among(hit, np.zeros(40, np.int64))
    assert rate.low < WEAK
    assert weakness({"strata": {"photographs": {"fpr": asdict(rate)}}})
    few = Rate.among(hit[:1], np.zeros(1, np.int64))
    assert weakness({"strata": {"photographs": {"fpr": asdict(few)}}}) == ""


def test_the_worst_come_first_and_few_are_named() -> None:
    told = weakness(figures(a=20, b=90, c=40, d=60))
    assert [told.index(f"'{name}'") for name in "bdc"] == sorted(
        told.index(f"'{name}'") for name in "bdc"
    )
    assert "'a'" not in told


def test_a_fit_with_a_second_witness_is_not_told_to_have_one() -> None:
    both = {**figures(a=50), "first_witness": figures(a=99)}
    assert "second witness" not in weakness(both)
    # Who is not heard alone does not count.
    assert weakness({**figures(a=0), "first_witness": figures(a=99)}) == ""


def test_what_was_lacking_is_said_in_full() -> None:
    assert lacking({}) == ""
    assert lacking({"not_among": [], "relatives": ""}) == ""
    said = lacking({"not_among": ["no other generator", "no relative"], "relatives": "They are X."})
    assert said == (
        "Among the foreign images: no other generator, no relative (another version of this "
        "model). They are X."
    )
