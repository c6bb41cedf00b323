"""What is black and white without an activation: measured on samples, asked where it is open."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from benchmarks.regeneration_parts import taef2, upscalers
from benchmarks.regeneration_parts.folders import real_generators
from flipad_ops.common.errors import RangeUnknown
from flipad_ops.generators import split_generator
from flipad_ops.generators.output_range import MeasuredRange
from tests.generators.toys import METADATA, toy

needs_weights = pytest.mark.skipif(
    real_generators() is None, reason="FLIPAD_REAL_GENERATORS names no folder of real generators."
)


class Spread(nn.Module):
    """A toy without activation whose values lie as told."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        body = toy("conv2d", nn.Identity())
        with torch.no_grad():
            probe = body(torch.randn(64, 4, generator=torch.Generator().manual_seed(0)))
            body[3].weight.div_(6 * probe.std())
            body[3].bias.sub_(probe.mean()).div_(6 * probe.std())
            low, high = (float(change(torch.tensor(x))) for x in (0.0, 1.0))
            body[3].weight.mul_(high - low)
            body[3].bias.mul_(high - low).add_(low)
        self.body = body

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda x: 0.5 + x, (0.0, 1.0)),
        (lambda x: 0.45 + 0.5 * x, (0.0, 1.0)),
        (lambda x: 2 * x, (-1.0, 1.0)),
        (lambda x: -0.3 + 1.5 * x, (-1.0, 1.0)),
        (lambda x: 127.5 + 255 * x, (0.0, 255.0)),
    ],
    ids=["around a half", "dark", "around zero", "darker than zero", "grey levels"],
)
def test_measured(change: Callable[[Tensor], Tensor], expected: tuple[float, float]) -> None:
    output_map = split_generator(Spread(change), METADATA).output_map
    assert (output_map.low, output_map.high) == expected


@pytest.mark.parametrize(
    "change",
    [lambda x: 0.2 + x, lambda x: 60 * x],
    ids=["few below black", "wild"],
)
def test_asked_where_it_is_open(change: Callable[[Tensor], Tensor]) -> None:
    module = Spread(change)
    with pytest.raises(RangeUnknown, match="do not tell which of them are black and white"):
        split_generator(module, METADATA)
    middle, reach = float(change(torch.tensor(0.0))), 60.0
    stated = {**METADATA, "output_range": [middle - reach, middle + reach]}
    assert split_generator(module, stated).output_map.low == middle - reach


def real(name: str) -> tuple[nn.Module, Tensor]:
    """A decoder that gives [0, 1] and inputs as its owner has them."""
    small = torch.linspace(0, 1, 24)
    picture = torch.stack([small.outer(small), small.flip(0).outer(small), small.outer(1 - small)])
    pictures = torch.stack([picture, picture.flip(1), picture.flip(2), 1 - picture])
    if name == "taef2":
        return taef2.decoder(), taef2.encode(pictures)
    return upscalers.esrgan_slim(int(name[-1])), pictures


@needs_weights
@pytest.mark.parametrize("name", ["taef2", "esrgan x2", "esrgan x3", "esrgan x4", "esrgan x8"])
def test_real_decoders_of_pixels(name: str) -> None:
    module, latents = real(name)
    metadata = {"latent": {"shape": list(latents.shape[1:]), "distribution": "recorded"}}
    split = split_generator(module, metadata, latents=latents)
    assert (split.output_map.low, split.output_map.high) == (0.0, 1.0)


def test_the_measure() -> None:
    values = torch.cat([torch.linspace(0, 1, 990), torch.full((10,), -3.0)])
    assert MeasuredRange.of(values).below == pytest.approx(0.01)
    assert MeasuredRange.of(values).low == -3.0
    assert MeasuredRange.of(values[5:]).usual() is None
