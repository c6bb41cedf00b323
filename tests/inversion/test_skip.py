"""Joint inversion of y = W z + U s + b."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from flipad_ops.errors import InversionError
from flipad_ops.generators.output import default_output_map, quantise
from flipad_ops.inversion import InversionSettings
from flipad_ops.inversion.skip import SkipInverter, fir_upsampling
from tests.inversion.layers import layer_of


def test_upsampling_keeps_constants_inside() -> None:
    up = fir_upsampling(3, (6, 6))
    inside = up(torch.ones(1, 3, 6, 6))[..., 2:-2, 2:-2]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_recovers_sum_and_is_certified() -> None:
    layer, up = layer_of(nn.Conv2d(8, 3, 1), (8, 12, 12)), fir_upsampling(3, (6, 6))
    output_map = default_output_map("identity")
    skip_mean = torch.zeros(3, 6, 6)
    s = F.interpolate(0.3 * torch.randn(2, 3, 2, 2), size=6)
    z = torch.randn(2, 8, 12, 12) * (torch.rand(2, 8, 12, 12) < 0.1)
    pixels = quantise(output_map.to_pixels(0.5 * (layer(z) + up(s))))
    settings = InversionSettings(alpha=1e-2, tolerance=2e-2, max_iterations=3000)
    inverter = SkipInverter(layer, up, output_map, torch.zeros(8, 12, 12), skip_mean, settings)
    result, skip = inverter.invert(pixels)
    assert result.z.shape == z.shape
    assert skip.shape == s.shape
    assert bool(result.converged.all())
    reached = output_map.to_pixels(layer(result.z) + up(skip))
    assert float((reached - pixels).abs().mean()) < 0.02


def test_wrong_skip_anchor() -> None:
    layer, up = layer_of(nn.Conv2d(8, 3, 1), (8, 12, 12)), fir_upsampling(3, (6, 6))
    with pytest.raises(InversionError):
        SkipInverter(
            layer, up, default_output_map("identity"), torch.zeros(8, 12, 12),
            torch.zeros(3, 2, 2), InversionSettings(),
        )  # fmt: skip
