"""Pixels, outputs and targets."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.errors import UsageError
from flipad_ops.generators import OutputMap, default_output_map, quantise

MAPS = [default_output_map(name) for name in ("tanh", "sigmoid", "identity")]


@pytest.mark.parametrize("output_map", MAPS, ids=lambda m: m.activation)
@given(value=st.floats(-6, 6))
def test_interval_holds_the_target_before_rounding(output_map: OutputMap, value: float) -> None:
    target = torch.tensor([value])
    stored = quantise(output_map.to_pixels(output_map.activate(target)))
    lower, upper = output_map.interval_target(stored)
    assert float(lower) - 1e-3 <= value <= float(upper) + 1e-3


@pytest.mark.parametrize("output_map", MAPS, ids=lambda m: m.activation)
def test_interval_is_infinite_exactly_at_black_and_white(output_map: OutputMap) -> None:
    pixels = torch.arange(256) / 255
    lower, upper = output_map.interval_target(pixels)
    assert torch.isinf(lower).nonzero().flatten().tolist() == [0]
    assert torch.isinf(upper).nonzero().flatten().tolist() == [255]
    assert bool((lower < upper).all())
    assert bool((upper[:-1] <= lower[1:] + 1e-4).all())


@pytest.mark.parametrize("output_map", MAPS, ids=lambda m: m.activation)
def test_point_target_is_finite_and_inverts_the_activation(output_map: OutputMap) -> None:
    pixels = torch.arange(256) / 255
    target = output_map.point_target(pixels)
    assert bool(torch.isfinite(target).all())
    torch.testing.assert_close(
        output_map.to_pixels(output_map.activate(target)), pixels, atol=1e-4, rtol=0
    )


def test_zero_step_gives_a_point() -> None:
    lower, upper = MAPS[2].interval_target(torch.tensor([0.25, 0.5]), step=0.0)
    torch.testing.assert_close(lower, upper)


def test_bad_maps_are_refused() -> None:
    with pytest.raises(UsageError):
        OutputMap("relu", 0, 1)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        OutputMap("tanh", 1, 1)
