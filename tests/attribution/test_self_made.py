"""Negatives that a fit makes itself."""

from __future__ import annotations

import pytest
import torch

from flipad_ops.attribution.self_made import near_misses, recompressed, widen
from flipad_ops.generators import SplitGenerator, quantise


def test_widened_images_are_stored_pixels_of_the_same_shape() -> None:
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made, origins = widen(images, 40, seed=1)
    assert made.shape == (40, 3, 16, 16)
    assert torch.equal(made, quantise(made))
    again, same = widen(images, 40, seed=1)
    assert torch.equal(made, again)
    assert torch.equal(origins, same)
    assert not torch.equal(made, widen(images, 40, seed=2)[0])


def test_widened_images_know_what_they_stem_from() -> None:
    images = torch.full((4, 3, 16, 16), 0.5)
    images[2] = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    made, origins = widen(images, 60, seed=3)
    textured = made.flatten(1).std(dim=1) > 0.01
    assert torch.equal(textured, origins == 2)
    assert set(origins.tolist()) == {0, 1, 2, 3}


def test_widening_reaches_smoother_images_than_it_was_given() -> None:
    images = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def roughness(batch: torch.Tensor) -> torch.Tensor:
        return batch.diff(dim=3).abs().mean(dim=(1, 2, 3))

    made = roughness(widen(images, 60, seed=1)[0])
    assert float(made.min()) < 0.2 * float(roughness(images).min())


def test_nothing_asked_gives_nothing(toy_split: SplitGenerator) -> None:
    assert widen(torch.rand(2, 3, 16, 16), 0, seed=0)[0].shape == (0, 3, 16, 16)
    assert near_misses(toy_split, 0, seed=0).shape == (0, *toy_split.sample_shape)


def test_near_misses_are_not_the_generators_own(toy_split: SplitGenerator) -> None:
    made = near_misses(toy_split, 12, seed=4)
    own = toy_split.sample(12, seed=4)
    assert made.shape == own.shape
    assert torch.equal(made, quantise(made))
    assert float((made - own).abs().mean()) > 1 / 255
    assert torch.equal(made, near_misses(toy_split, 12, seed=4))


@pytest.mark.parametrize("channels", [1, 3])
def test_recompressed_images_look_alike_and_differ(channels: int) -> None:
    smooth = torch.linspace(0, 1, 24).expand(4, channels, 16, 24).contiguous()
    again = recompressed(smooth, seed=3)
    assert again.shape == smooth.shape
    assert torch.equal(again, recompressed(smooth, seed=3))
    assert 0 < float((again - smooth).abs().max()) < 0.1
    assert len(recompressed(torch.rand(2, 4, 16, 16), seed=3)) == 0
