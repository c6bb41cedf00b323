"""FinalLayerInverter: certificates, batch invariance, bad input."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import flipad_ops.inversion as package
from flipad_ops.common.errors import InversionError, UsageError
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from tests.inversion.layers import CASES, TANH, case, images


def inverter(name: str, **options: object) -> FinalLayerInverter:
    layer = case(name)
    settings = InversionSettings.from_dict(dict(options))
    anchor = 0.1 * torch.ones(layer.input_shape)
    return FinalLayerInverter(layer, TANH, anchor, settings)


def difference(z: torch.Tensor, other: torch.Tensor) -> float:
    """Largest difference relative to the largest entry."""
    return float((z - other).abs().max() / other.abs().max())


def test_public_names() -> None:
    assert package.__all__ == [
        "FinalLayerInverter",
        "InversionResult",
        "InversionSettings",
        "Inverter",
    ]


def test_result_is_consistent() -> None:
    subject = inverter("dcgan")
    pixels = images(subject.layer, 3).pixels
    seen: list[tuple[int, int]] = []
    result = subject.invert(pixels, progress=lambda done, total: seen.append((done, total)))
    assert result.z.shape == (3, 8, 8, 8)
    assert result.residual.shape == pixels.shape
    assert bool(result.converged.all())
    assert seen[-1] == (3, 3)
    box = subject.target(pixels, 1 / 255)
    torch.testing.assert_close(
        result.residual, box.gradient(subject.layer(result.z)), atol=1e-5, rtol=1e-4
    )
    l1 = (result.z - subject.anchor).abs().flatten(1).sum(1).double()
    value = 0.5 * result.residual.square().flatten(1).sum(1).double() + 1e-2 * l1
    torch.testing.assert_close(result.objective, value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "solver"),
    [*((name, "fast") for name in CASES), ("dcgan", "descent"), ("dcgan", "fista"),
     ("linear", "fista")],
)  # fmt: skip
def test_batch_mates_do_not_matter(name: str, solver: str) -> None:
    subject = inverter(name, solver=solver, tolerance=0.05)
    pixels = images(subject.layer, 11).pixels
    together = subject.invert(pixels)
    for row in (0, 4, 10):
        alone = subject.invert(pixels[row : row + 1])
        assert alone.iterations[0] == together.iterations[row]
        assert difference(alone.z[0], together.z[row]) <= 1e-5
    backwards = subject.invert(pixels.flip(0))
    assert difference(backwards.z.flip(0), together.z) <= 1e-5


@pytest.mark.parametrize("name", ["dcgan", "pointwise", "linear"])
def test_fast_solver_is_bitwise_batch_invariant(name: str) -> None:
    subject = inverter(name, solver="fast")
    pixels = images(subject.layer, 11).pixels
    together = subject.invert(pixels)
    assert torch.equal(subject.invert(pixels).z, together.z)
    assert torch.equal(subject.invert(pixels[7:8]).z[0], together.z[7])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_values_that_are_no_pixels(value: float) -> None:
    subject = inverter("dcgan")
    pixels = images(subject.layer, 2).pixels
    pixels[1, 0, 3, 3] = value
    with pytest.raises(InversionError, match="NaN or infinite"):
        subject.invert(pixels)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("data_term", ["box", "point"])
def test_constant_and_saturated_images(level: float, data_term: str) -> None:
    subject = inverter("dcgan", data_term=data_term)
    result = subject.invert(torch.full((1, 3, 16, 16), level))
    assert bool(torch.isfinite(result.z).all())
    assert bool(torch.isfinite(result.gap).all())


def test_wrong_shapes() -> None:
    subject = inverter("dcgan")
    for shape in ((1, 3, 8, 8), (3, 16, 16), (0, 3, 16, 16)):
        with pytest.raises(InversionError, match="shape"):
            subject.invert(torch.zeros(shape))
    with pytest.raises(InversionError, match="anchor"):
        FinalLayerInverter(subject.layer, TANH, torch.zeros(2, 2), InversionSettings())


def test_not_converged_is_reported() -> None:
    subject = inverter("dcgan", max_iterations=3, tolerance=1e-9)
    result = subject.invert(images(subject.layer, 2).pixels)
    assert not bool(result.converged.any())
    assert result.iterations.tolist() == [3, 3]
    assert bool((result.gap > 1e-9).all())


def test_nonnegative_activations() -> None:
    subject = inverter("dcgan", nonnegative=True, tolerance=1e-3)
    result = subject.invert(images(subject.layer, 2).pixels)
    assert float(result.z.min()) >= -1e-6
    with pytest.raises(UsageError, match="anchor"):
        FinalLayerInverter(
            subject.layer, TANH, -torch.ones(8, 8, 8), InversionSettings(nonnegative=True)
        )


@pytest.mark.parametrize(
    "options",
    [{"alpha": 0}, {"tolerance": -1}, {"max_iterations": 0}, {"data_term": "disc"},
     {"solver": "magic"}, {"alfa": 1}],
)  # fmt: skip
def test_bad_settings(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        InversionSettings.from_dict(options)


def test_settings_round_trip() -> None:
    settings = InversionSettings(alpha=5e-4, data_term="point")
    assert InversionSettings.from_dict(settings.to_dict()) == settings


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(CASES)),
    most=st.integers(1, 60),
    every=st.integers(1, 12),
    count=st.integers(2, 20),
    solver=st.sampled_from(["fast", "descent", "fista"]),
)
@example(name="dcgan", most=45, every=10, count=24, solver="fast")
@example(name="strided", most=75, every=10, count=24, solver="fast")
def test_no_limit_of_iterations_makes_mates_matter(
    name: str, most: int, every: int, count: int, solver: str
) -> None:
    """Also where it is no multiple of the interval between two checks."""
    options = {"max_iterations": most, "check_every": every, "tolerance": 0.05}
    subject = inverter(name, solver=solver, **options)
    pixels = images(subject.layer, count).pixels
    together = subject.invert(pixels)
    assert int(together.iterations.max()) <= most
    for row in range(0, count, 3):
        alone = subject.invert(pixels[row : row + 1])
        assert alone.iterations[0] == together.iterations[row]
        assert difference(alone.z[0], together.z[row]) <= 1e-5
