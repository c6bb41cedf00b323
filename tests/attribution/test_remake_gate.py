"""When a fitted second witness is heard."""

from __future__ import annotations

from typing import Any

import pytest

from flipad_ops.attribution.stages.remake import SELF_MADE, why_not_good


def rates(found: float, wrong: float, relatives: float = 0.0) -> dict[str, Any]:
    """Figures of held-out images."""
    foreign = {"photographs": wrong, SELF_MADE: relatives}
    strata = {name: {"fpr": {"value": value}} for name, value in foreign.items()}
    return {"tpr": {"value": found}, "strata": strata}


@pytest.mark.parametrize(
    ("both", "alone", "heard"),
    [
        (rates(0.95, 0.02), rates(1.0, 0.0), True),  # good enough beside any first
        (rates(0.88, 0.0), rates(1.0, 0.0), False),  # a good first is not overruled
        (rates(0.88, 0.0), rates(1.0, 0.9), True),  # taef2: the first takes 90% of photographs
        (rates(0.95, 0.3), rates(1.0, 0.9), True),
        (rates(0.95, 0.3), rates(1.0, 0.1), False),
        (rates(0.4, 0.0), rates(1.0, 0.9), False),  # half at least
        (rates(0.88, 0.0), rates(1.0, 0.0, relatives=0.9), False),  # relatives made do not count
    ],
)
def test_it_is_heard_where_it_is_good_or_better_than_the_first_alone(
    both: dict[str, Any], alone: dict[str, Any], heard: bool
) -> None:
    why = why_not_good({"as made": both, "flat": 0.0}, alone)
    assert (why == "") is heard
    if not heard:
        assert why.startswith(
            f"The second witness is left out: held out it finds {both['tpr']['value']:.0%}"
        )
