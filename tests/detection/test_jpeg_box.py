"""The JPEG box holds the image that was encoded, and the lasso accepts it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.generators.output import default_output_map
from flipad_ops.inversion.operators import LayerOperator
from flipad_ops.inversion.solvers import Fista, Problem, Stop
from flipad_ops.inversion.terms import L1
from tests.detection.jpeg_box import JpegOperator, JpegTransform, tables_of
from tests.inversion.layers import TANH, layer_of


def encoded(pixels: torch.Tensor, quality: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoded pixels (1, C, H, W) and the file's tables."""
    array = (pixels[0].permute(1, 2, 0) * 255).round().byte().numpy()
    image = Image.fromarray(array if array.shape[2] == 3 else array[..., 0])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    with Image.open(io.BytesIO(buffer.getvalue())) as opened:
        tables = tables_of(opened.quantization, pixels.shape[1])
        decoded = torch.from_numpy(np.array(opened)).float() / 255
    decoded = decoded[None, None] if decoded.dim() == 2 else decoded.permute(2, 0, 1)[None]
    return decoded, tables


def smooth(channels: int) -> torch.Tensor:
    coarse = torch.rand(1, channels, 4, 4)
    return torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")


@pytest.mark.parametrize("channels", [1, 3])
def test_box_holds_the_encoded_image(channels: int) -> None:
    pixels = smooth(channels)
    decoded, tables = encoded(pixels, 80)
    transform = JpegTransform(tables)
    box = transform.box(decoded)
    exact = transform.linear((pixels * 255).round() / 255)
    # The encoder rounds YCbCr to integers first, which moves coefficients by a level or so.
    inside = (exact >= box.lower - 2) & (exact <= box.upper + 2)
    assert float(inside.float().mean()) > 0.99


def test_adjoint_and_lasso() -> None:
    layer = layer_of(nn.Conv2d(8, 3, 3, 1, 1), (8, 32, 32))
    output_map = default_output_map("identity")
    decoded, tables = encoded(smooth(3), 80)
    operator = JpegOperator(LayerOperator(layer), JpegTransform(tables), output_map)
    z = torch.randn(1, 8, 32, 32, dtype=torch.float64)
    u = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close((operator.apply(z) * u).sum(), (z * operator.adjoint(u)).sum())
    offset = layer(torch.zeros(1, 8, 32, 32))
    box = operator.target(decoded, offset, output_map)
    found = Fista(operator).solve(Problem(box, L1(torch.tensor(1e-2))), Stop(0.1, 1000, 20))
    start = box.value(torch.zeros(1, 3, 32, 32))
    assert bool((found.objective < 0.5 * start).all())


def test_needs_an_identity() -> None:
    layer = layer_of(nn.Conv2d(8, 3, 3, 1, 1), (8, 32, 32))
    transform = JpegTransform(torch.ones(3, 8, 8))
    with pytest.raises(UsageError, match="identity"):
        JpegOperator(LayerOperator(layer), transform, TANH)
    with pytest.raises(UsageError, match="table"):
        JpegTransform(torch.ones(2, 8, 8))
