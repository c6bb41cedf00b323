"""What files tell: boxes."""

from __future__ import annotations

import torch

from flipad_ops.attribution.augmentation import through_file
from flipad_ops.regeneration.observation import FileBox, JpegBox, PixelBox, compressed


def test_within_half_a_step_costs_nothing() -> None:
    pixels = torch.tensor([[[[0.0, 100 / 255], [1.0, 7 / 255]]]])
    box = PixelBox(pixels, 1 / 255)
    assert float(box.distance(pixels + 0.4 / 255)) == 0
    assert float(box.distance(torch.tensor([[[[-3.0, 100 / 255], [9.0, 7 / 255]]]]))) == 0
    off = box.distance(pixels + torch.tensor([[[[0.0, 1.5 / 255], [0.0, 0.0]]]]))
    assert torch.allclose(off, torch.tensor([(1 / 255) ** 2 / 4]))


def test_a_file_is_no_farther_from_its_image_than_rounding() -> None:
    source = torch.Generator().manual_seed(0)
    images = torch.rand(3, 1, 16, 16, generator=source).mul(160).add(48).round() / 255
    found = through_file(images, "JPEG", (80, 80), source)
    box = JpegBox(found, torch.full((3,), 80))
    pixels = PixelBox(found, 1 / 255)
    assert float(box.distance(images).max()) < 1e-6 < float(pixels.distance(images).min())
    assert float(box.distance(1 - images).min()) > 1e-3


def test_each_image_has_the_box_that_it_shows() -> None:
    images = torch.rand(3, 3, 24, 17, generator=torch.Generator().manual_seed(1))
    both = FileBox(images, 1 / 255, torch.tensor([0, 60, 0])).distance(images * 0.9)
    alone = PixelBox(images, 1 / 255).distance(images * 0.9)
    assert torch.equal(both[[0, 2]], alone[[0, 2]])
    assert torch.allclose(
        both[1:2], JpegBox(images[1:2], torch.tensor([60])).distance(images[1:2] * 0.9)
    )


def test_quality_shows() -> None:
    source = torch.Generator().manual_seed(2)
    images = torch.rand(2, 1, 32, 32, generator=source).mul(200).add(20).round() / 255
    assert compressed(through_file(images, "JPEG", (75, 75), source)).tolist() == [75, 75]
    assert compressed(images).tolist() == [0, 0]
