"""Maps to pixels after the activation: undone exactly where known, refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from flipad_ops.common.errors import NotAttributable
from flipad_ops.generators import OutputMap, SplitGenerator, split_generator
from flipad_ops.generators.tail import Tail
from tests.generators.toys import METADATA, export, toy

Map = Callable[[Tensor], Tensor]


class Then(nn.Module):
    """A generator followed by something."""

    def __init__(self, module: nn.Module, after: Map) -> None:
        super().__init__()
        self.module, self.after = module, after

    def forward(self, latents: Tensor) -> Tensor:
        return self.after(self.module(latents))


def split_of(last: nn.Module, after: Map, **metadata: object) -> tuple[SplitGenerator, Then]:
    module = Then(toy("conv_transpose2d", last), after)
    return split_generator(module, {**METADATA, **metadata}), module


def pixels_of(module: Then, split: SplitGenerator, low: float, high: float) -> Tensor:
    """What the owner would save, from what the generator returns."""
    with torch.no_grad():
        returned = module(split.latent.sample(6, seed=7))
    return ((returned - low) / (high - low)).clamp(0, 1)


@pytest.mark.parametrize(
    ("last", "after", "span", "found"),
    [
        (nn.Tanh(), lambda x: (x + 1) / 2, (0, 1), Tail(0.5, 0.5)),
        (nn.Tanh(), lambda x: x * 0.5 + 0.5, (0, 1), Tail(0.5, 0.5)),
        (nn.Tanh(), lambda x: (x * 0.5 + 0.5).clamp(0, 1), (0, 1), Tail(0.5, 0.5)),
        (nn.Tanh(), lambda x: (x + 1) * 127.5, (0, 255), Tail(127.5, 127.5)),
        (nn.Sigmoid(), lambda x: 2 * x - 1, (-1, 1), Tail(2.0, -1.0)),
        (nn.Sigmoid(), lambda x: x * 255, (0, 255), Tail(255.0, 0.0)),
        (nn.Identity(), lambda x: x / 2 + 0.5, (0, 1), Tail(0.5, 0.5)),
        (nn.Identity(), lambda x: x.clamp(-1, 1), (-1, 1), Tail(clamp=(-1.0, 1.0))),
        (nn.Identity(), lambda x: x.clamp(0, 1), (0, 1), Tail(clamp=(0.0, 1.0))),
        (nn.Identity(), lambda x: (x / 2 + 0.5).clamp(0, 1), (0, 1), Tail(0.5, 0.5, (0.0, 1.0))),
        (
            nn.Identity(),
            lambda x: (x * 127.5 + 128).clamp(0, 255),
            (0, 255),
            Tail(127.5, 128.0, (0.0, 255.0)),
        ),
    ],
)
def test_known_maps(last: nn.Module, after: Map, span: tuple[int, int], found: Tail) -> None:
    split, module = split_of(last, after)
    assert split.tail == found
    outputs, z = split.run(split.latent.sample(6, seed=7))
    target = split.layer(z)
    # Same pixels as the owner's, by way of the last layer and sigma.
    expected = pixels_of(module, split, *map(float, span))
    for values in (outputs, split.output_map.activate(target)):
        torch.testing.assert_close(split.output_map.to_pixels(values), expected, atol=2e-5, rtol=0)
    lower, upper = split.output_map.interval_target((expected * 255).round() / 255)
    assert bool(((lower - 1e-3 <= target) & (target <= upper + 1e-3)).all())


def test_a_clamp_leaves_infinite_intervals() -> None:
    split, module = split_of(nn.Identity(), lambda x: x.clamp(-1, 1))
    pixels = (pixels_of(module, split, -1.0, 1.0) * 255).round() / 255
    assert 0 < float((pixels == 1).float().mean()) < 0.9
    upper = split.output_map.interval_target(pixels)[1]
    assert bool((upper[pixels == 1] == torch.inf).all())
    assert bool(torch.isfinite(upper[pixels < 1]).all())


def test_exported_and_hashed_alike() -> None:
    module = Then(toy("conv_transpose2d"), lambda x: (x + 1) / 2)
    split, plain = split_generator(export(module), METADATA), split_of(nn.Tanh(), lambda x: x)[0]
    assert split.tail == Tail(0.5, 0.5)
    assert split.output_map == plain.output_map == OutputMap("tanh", -1.0, 1.0)
    assert split.layer.sha256() == plain.layer.sha256()
    torch.testing.assert_close(split.sample(4, 1), plain.sample(4, 1), atol=1e-6, rtol=0)


def test_channels_last() -> None:
    split, module = split_of(nn.Tanh(), lambda x: (x.permute(0, 2, 3, 1) + 1) / 2)
    assert split.tail == Tail(0.5, 0.5, channels_last=True)
    assert split.sample_shape == (3, 8, 8)
    outputs, _ = split.run(split.latent.sample(6, seed=7))
    expected = pixels_of(module, split, 0.0, 1.0).movedim(-1, 1)
    torch.testing.assert_close(split.output_map.to_pixels(outputs), expected, atol=1e-6, rtol=0)


def test_a_stated_range_is_what_the_generator_returns() -> None:
    split, _ = split_of(nn.Tanh(), lambda x: 3 * x + 1, output_range=[-2, 4])
    assert split.tail == Tail(3.0, 1.0)
    assert (split.output_map.low, split.output_map.high) == (-1.0, 1.0)
    split, _ = split_of(nn.Tanh(), lambda x: (x + 1) / 2, output_range=[0, 2])
    assert (split.output_map.low, split.output_map.high) == (-1.0, 3.0)
    split, _ = split_of(nn.ReLU(), lambda x: x, output_range=[0, 4])
    assert split.tail == Tail(clamp=(0.0, 4.0))


@pytest.mark.parametrize(
    ("last", "after"),
    [
        (nn.Tanh(), lambda x: 0.9 * x + 0.05),
        (nn.Tanh(), lambda x: x**2),
        (nn.Identity(), lambda x: x.clamp(-3, 0.2)),
    ],
)
def test_unknown_maps_are_refused(last: nn.Module, after: Map) -> None:
    with pytest.raises(NotAttributable, match="usual affine map or clamp"):
        split_of(last, after)


@pytest.mark.parametrize("last", [nn.Hardtanh(), nn.Tanh(), nn.Identity()], ids=str)
def test_black_and_white_alone_is_refused(last: nn.Module) -> None:
    module = toy("conv_transpose2d", last)
    with torch.no_grad():
        for parameter in module[4].parameters():
            parameter.mul_(1e5)
    with pytest.raises(NotAttributable, match="neither black nor white") as caught:
        split_generator(module, METADATA)
    assert "output_range" in caught.value.remedy
