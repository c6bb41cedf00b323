"""The small DCGAN: shapes, determinism, and samples that vary."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.demo.gan import LATENT, Generator, train_gan
from flipad_ops.demo.photos import photo_patches


def _samples(generator: Generator, count: int = 64) -> torch.Tensor:
    latents = torch.randn(count, LATENT, 1, 1, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return generator(latents)


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (64, 1)])
def test_sizes_and_colours(size: int, channels: int) -> None:
    generator = Generator(size, channels, width=8).eval()
    images = _samples(generator, 3)
    assert images.shape == (3, channels, size, size)
    assert float(images.abs().max()) <= 1
    last = generator.main[-2]
    assert isinstance(last, nn.ConvTranspose2d)
    assert (last.in_channels, last.out_channels, last.kernel_size) == (8, channels, (4, 4))


@pytest.mark.parametrize("size", [8, 24, 0])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"16, 32, 64, ... pixels, not {size}"):
        Generator(size)


def test_training_repeats_by_seed_and_leaves_the_global_stream_alone() -> None:
    images = photo_patches("generator", 64, 16)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = train_gan(images, steps=3, seed=7, width=8, batch_size=16)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    again = train_gan(images, steps=3, seed=7, width=8, batch_size=16)
    other = train_gan(images, steps=3, seed=8, width=8, batch_size=16)
    assert not first.training
    assert torch.equal(_samples(first), _samples(again))
    assert not torch.allclose(_samples(first), _samples(other), atol=0.01)


def test_training_reports_every_step() -> None:
    seen: list[tuple[int, int]] = []
    train_gan(
        photo_patches("generator", 16, 16)[:, :1],
        steps=3,
        seed=0,
        width=8,
        batch_size=8,
        report=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.slow
def test_samples_vary_and_take_the_photographs_colours() -> None:
    images = photo_patches("generator", 1000, 16)
    samples = (_samples(train_gan(images, steps=400, seed=1, width=16)) + 1) / 2
    # Collapsed samples would be one picture (no spread) or noise (no common colour).
    real = float(images.std(dim=0).mean())
    assert 0.4 * real < float(samples.std(dim=0).mean()) < 1.6 * real
    shift = samples.mean(dim=(0, 2, 3)) - images.mean(dim=(0, 2, 3))
    assert float(shift.abs().max()) < 0.25
