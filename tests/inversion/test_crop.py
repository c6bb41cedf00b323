"""Inverting a window equals inverting the whole, in the window's interior."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from flipad_ops.inversion.crop import CropInverter, Window
from tests.inversion.layers import TANH, case, images, layer_of

SETTINGS = InversionSettings(alpha=0.05, tolerance=1e-5, max_iterations=3000)


@pytest.mark.parametrize(
    ("build", "sizes", "window"),
    [
        (nn.ConvTranspose2d, (4, 2, 4, 2, 1), Window(17, 19, 6, 6)),
        (nn.Conv2d, (6, 2, 3, 1, 1), Window(18, 18, 6, 6)),
        (nn.Conv2d, (4, 3, 3, 2, 1), Window(18, 18, 6, 6)),
        (nn.ConvTranspose2d, (4, 2, 4, 2, 1), Window(0, 0, 6, 6)),
    ],
    ids=["transposed", "same", "strided", "corner"],
)
def test_interior_agrees(build: type[nn.Module], sizes: tuple[int, ...], window: Window) -> None:
    torch.manual_seed(0)  # weights drawn while collecting would depend on what else is collected
    module = build(*sizes)
    layer = layer_of(module, (module.in_channels, 44, 44))  # type: ignore[arg-type]
    anchor = 0.05 * torch.ones(layer.input_shape)
    pixels = images(layer, 1).pixels
    whole = FinalLayerInverter(layer, TANH, anchor, SETTINGS).invert(pixels)
    part = CropInverter(layer, TANH, anchor, SETTINGS, window).invert(pixels)
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    expected = whole.z[..., rows, columns]
    assert part.z.shape == expected.shape
    assert bool(part.converged.all())
    assert float((part.z - expected).norm() / expected.norm()) <= 5e-4


def test_window_of_everything_is_the_whole() -> None:
    layer = case("dcgan")
    pixels = images(layer, 2).pixels
    anchor = torch.zeros(layer.input_shape)
    settings = InversionSettings()
    whole = FinalLayerInverter(layer, TANH, anchor, settings).invert(pixels)
    window = Window.centre((8, 8), 100)
    part = CropInverter(layer, TANH, anchor, settings, window).invert(pixels)
    torch.testing.assert_close(part.z, whole.z)


def test_stable_diffusion_sized_layer_by_crop() -> None:
    layer = layer_of(nn.Conv2d(128, 3, 3, 1, 1), (128, 512, 512))
    window = Window.centre((512, 512), 16)
    settings = InversionSettings(max_iterations=10)
    inverter = CropInverter(layer, TANH, torch.zeros(128, 512, 512), settings, window, margin=8)
    assert inverter.inner.layer.input_shape == (128, 32, 32)
    assert inverter.invert(torch.full((1, 3, 512, 512), 0.6)).z.shape == (1, 128, 16, 16)


def test_linear_layers_have_no_windows() -> None:
    layer = case("linear")
    with pytest.raises(UsageError):
        CropInverter(layer, TANH, torch.zeros(100), SETTINGS, Window(0, 0, 1, 1))
