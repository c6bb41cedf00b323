from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.common.errors import UsageError
from flipad_ops.generators import OutputMap, default_output_map, quantise
from flipad_ops.generators.output import ActivationName

MAPS = [
    default_output_map("tanh"),
    default_output_map("sigmoid"),
    default_output_map("identity"),
    OutputMap("identity", 0.0, 255.0),
    OutputMap("tanh", 0.0, 1.0),
]
GREYS = torch.arange(256, dtype=torch.float64) / 255
maps = st.sampled_from(MAPS)


@given(maps, st.floats(-40, 40), st.sampled_from([1, 15, 255, 65535]))
def test_the_interval_holds_the_target_before_quantisation(
    output_map: OutputMap, value: float, levels: int
) -> None:
    target = torch.tensor(value, dtype=torch.float64)
    pixel = quantise(output_map.to_pixels(output_map.activate(target)), levels)
    lower, upper = output_map.interval_target(pixel, 1 / levels)
    slack = 1e-9 * (1 + abs(value))
    assert lower - slack <= target <= upper + slack


@given(maps, st.floats(-6, 6))
def test_the_interval_holds_in_single_precision(output_map: OutputMap, value: float) -> None:
    target = torch.tensor(value)
    pixel = quantise(output_map.to_pixels(output_map.activate(target)))
    lower, upper = output_map.interval_target(pixel)
    assert lower - 1e-4 <= target <= upper + 1e-4


@pytest.mark.parametrize("output_map", MAPS, ids=str)
def test_infinite_exactly_at_black_and_white(output_map: OutputMap) -> None:
    for dtype in (torch.float32, torch.float64):
        lower, upper = output_map.interval_target(GREYS.to(dtype))
        assert torch.isinf(lower).nonzero().flatten().tolist() == [0]
        assert torch.isinf(upper).nonzero().flatten().tolist() == [255]
        assert lower[0] == -torch.inf
        assert upper[255] == torch.inf
        assert bool((lower < upper).all())
        torch.testing.assert_close(upper[1:-1], lower[2:], rtol=1e-5, atol=2e-5)  # cells touch


@pytest.mark.parametrize("output_map", MAPS, ids=str)
def test_the_interval_surrounds_the_point(output_map: OutputMap) -> None:
    point = output_map.point_target(GREYS)
    lower, upper = output_map.interval_target(GREYS)
    assert bool(((lower <= point) & (point <= upper)).all())


def test_levels_that_sigma_cannot_reach_get_finite_ends() -> None:
    """The owner of a tanh generator may map [-2, 2] to pixels; foreign images use all of it."""
    wide = OutputMap("tanh", -2.0, 2.0)
    lower, upper = wide.interval_target(GREYS)
    assert bool((lower < torch.inf).all())
    assert bool((upper > -torch.inf).all())
    assert bool((lower <= upper).all())


@given(maps, st.floats(0, 1, width=32))
def test_point_target_is_finite_and_inverts(output_map: OutputMap, value: float) -> None:
    pixel = torch.tensor(value)
    target = output_map.point_target(pixel)
    assert torch.isfinite(target)
    again = output_map.to_pixels(output_map.activate(target))
    assert abs(float(again) - value) <= 1.1e-4


def test_zero_step_gives_a_point() -> None:
    lower, upper = default_output_map("identity").interval_target(torch.tensor([0.25, 0.5]), 0.0)
    assert torch.equal(lower, upper)


def test_point_target_clips_as_the_paper_does() -> None:
    ends = default_output_map("tanh").point_target(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert ends.tolist() == pytest.approx([-4.95, 4.95], abs=0.01)


@given(st.floats(0, 1, width=32), st.integers(1, 65535))
def test_quantise_round_trip(value: float, levels: int) -> None:
    pixel = torch.tensor(value, dtype=torch.float64)
    stored = quantise(pixel, levels)
    assert torch.equal(quantise(stored, levels), stored)
    assert abs(float(stored - pixel)) <= 0.5 / levels + 1e-12
    assert float(stored * levels) == pytest.approx(round(float(stored * levels)), abs=1e-6)


def test_quantise_keeps_every_grey_level_and_clamps() -> None:
    stored = torch.arange(256, dtype=torch.uint8)
    assert torch.equal((quantise(stored / 255) * 255).round().to(torch.uint8), stored)
    assert quantise(torch.tensor([-0.3, 1.7])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "identity"])
def test_inverse(name: ActivationName) -> None:
    output_map = default_output_map(name)
    target = torch.linspace(-5, 5, 41, dtype=torch.float64)
    torch.testing.assert_close(output_map.inverse(output_map.activate(target)), target)
    assert torch.equal(
        output_map.to_output(torch.tensor([0.0, 1.0])),
        torch.tensor([output_map.low, output_map.high]),
    )


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        ("relu", 0.0, 1.0),
        ("tanh", 1.0, 1.0),
        ("tanh", 1.0, -1.0),
        ("tanh", float("nan"), 1.0),
        ("identity", 0.0, float("inf")),
    ],
)
def test_refuses(activation: ActivationName, low: float, high: float) -> None:
    with pytest.raises(UsageError):
        OutputMap(activation, low, high)
