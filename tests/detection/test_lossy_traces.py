"""Traces of lossy files, on photographs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.quality_parts.perturbations import PERTURBATIONS
from flipad_ops.attribution.augmentation import crop, through_file
from flipad_ops.demo.photos import photo_patches
from flipad_ops.detection import jpeg_quality, lossy_trace
from flipad_ops.generators import quantise


def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def photos() -> Tensor:
    """Lively colour patches that are in no lossy file: the photographs' own are averaged away."""
    patches = photo_patches("scan", 200, size=64, seed=1)
    small = quantise(F.avg_pool2d(patches, 2))
    return small[small.mean(dim=1).std(dim=(1, 2)) > 0.08][:60]


def grey(images: Tensor) -> Tensor:
    return quantise(images.mean(dim=1, keepdim=True))


@pytest.mark.parametrize("quality", [60, 75, 90, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_finds_jpeg_and_its_quality(photos: Tensor, quality: int, channels: int) -> None:
    images = photos if channels == 3 else grey(photos)
    through = through_file(images, "JPEG", (quality, quality), source())
    found = jpeg_quality(through)
    assert float((found > 0).double().mean()) >= (0.95 if channels == 1 else 0.75)
    assert float((found == quality).double().sum() / (found > 0).sum()) >= 0.9
    assert float(lossy_trace(through).double().mean()) >= 0.95


@pytest.mark.parametrize("quality", [60, 90, 98])
def test_finds_webp(photos: Tensor, quality: int) -> None:
    for images in (photos, grey(photos)):
        through = through_file(images, "WEBP", (quality, quality), source())
        assert float(lossy_trace(through).double().mean()) >= 0.9


def test_finds_nothing_in_unaltered_or_otherwise_altered_images(photos: Tensor) -> None:
    noise = quantise(torch.rand(40, 3, 32, 32, generator=source()))
    flat = torch.full((3, 3, 32, 32), 0.5)
    black = torch.zeros(3, 1, 32, 32)
    for images in (photos, grey(photos), noise, grey(noise), flat, black):
        assert not lossy_trace(images).any()
    for how in ("blur-3", "noise-0.05", "crop-55/64", "resize-0.75"):
        altered = PERTURBATIONS[how](photos, source())
        assert float(lossy_trace(altered).double().mean()) <= 0.02


def test_grey_images_in_colour_have_no_trace(photos: Tensor) -> None:
    assert not lossy_trace(grey(photos).expand(-1, 3, -1, -1)).any()


def test_colours_show_a_jpeg_file_that_was_cropped(photos: Tensor) -> None:
    through = through_file(photos, "JPEG", (85, 85), source())[..., 3:, 5:]
    assert float((jpeg_quality(through) > 0).double().mean()) < 0.1
    assert float(lossy_trace(through).double().mean()) >= 0.9


def test_resizing_wipes_the_trace(photos: Tensor) -> None:
    through = through_file(photos, "JPEG", (85, 85), source())
    assert float(lossy_trace(crop(through, 0.9, source())).double().mean()) <= 0.02


def test_an_image_alone_gives_what_it_gives_among_others(photos: Tensor) -> None:
    through = through_file(photos[:20], "JPEG", (60, 98), source())
    together = jpeg_quality(through)
    assert [int(jpeg_quality(image[None])) for image in through] == together.tolist()


@pytest.mark.parametrize(
    "shape", [(0, 3, 32, 32), (2, 4, 32, 32), (2, 3, 4, 32), (2, 1, 8, 8), (5, 7)]
)
def test_shapes_without_room_for_a_trace(shape: tuple[int, ...]) -> None:
    found = lossy_trace(torch.rand(shape))
    assert found.dtype == torch.bool
    assert found.tolist() == [False] * shape[0]
