"""The fast solver's memory stays under its stated formula, measured in a fresh process."""

from __future__ import annotations

import pytest

from benchmarks.inversion_parts.memory import in_process


@pytest.mark.parametrize(
    "name", ["transposed 64->3 at 64x64", "conv 1x1 64->3 at 64x64"], ids=["transposed", "1x1"]
)
def test_peak_stays_under_the_formula(name: str) -> None:
    found = in_process(name, 64)
    assert found["peak_bytes"] <= found["formula_bytes"]
    # A formula that is generous tenfold would hold no one to anything.
    assert found["peak_bytes"] >= found["formula_bytes"] / 4
