from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from flipad_ops.attribution.related_images import related

ROWS, COLUMNS, SIDE = 3, 4, 32


def pictures(count: int, channels: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Noise whose spectrum falls as that of photographs, (height, width, channels) uint8."""
    source, made = np.random.default_rng(seed), []
    height, width = ROWS * SIDE, COLUMNS * SIDE
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None])
    fall = (radius + 1 / width) ** -1.5
    for _ in range(count):
        noise = np.fft.fft2(source.normal(size=(channels, height, width)))
        whole = np.fft.ifft2(noise * fall).real
        whole = (whole - whole.mean()) / whole.std()
        made.append((128 + 50 * whole).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    return made


def tiles(picture: np.ndarray) -> list[np.ndarray]:
    cuts = [picture[y : y + SIDE] for y in range(0, ROWS * SIDE, SIDE)]
    return [cut[:, x : x + SIDE] for cut in cuts for x in range(0, COLUMNS * SIDE, SIDE)]


def tensor(images: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def names(count: int) -> list[str]:
    return [f"{number}.png" for number in range(count)]


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_under_many_names_are_of_few_origins(channels: int) -> None:
    cut = [tile for picture in pictures(12, channels) for tile in tiles(picture)]
    of = np.repeat(np.arange(12), ROWS * COLUMNS)
    order = np.random.default_rng(3).permutation(len(cut))
    found = related(tensor([cut[index] for index in order]), names(len(cut)))
    assert len(set(found)) <= len(cut) / 3
    mixed = [
        len({of[order[i]] for i, name in enumerate(found) if name == one}) for one in set(found)
    ]
    assert np.mean(np.array(mixed) > 1) < 0.3


def test_images_of_distinct_pictures_keep_their_names() -> None:
    one_each = [tiles(picture)[number % 12] for number, picture in enumerate(pictures(60))]
    assert related(tensor(one_each), names(60)) == names(60)


def test_copies_that_were_encoded_anew_are_one_origin() -> None:
    first = [tiles(picture)[0] for picture in pictures(6)]
    again = []
    for image in first:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        again.append(np.asarray(Image.open(file)))
    assert related(tensor([*first, *again]), names(12)) == names(6) * 2


def test_flat_images_and_known_groups_are_left_alone() -> None:
    flat = torch.full((20, 3, SIDE, SIDE), 0.5)
    assert related(flat, names(20)) == names(20)
    known = ["a"] * 10 + ["b"] * 10
    assert related(flat, known) == known
    assert related(torch.rand(4, 7), names(4)) == names(4)  # rows of a table


def test_tiles_under_the_name_of_their_picture_are_not_joined_by_chance() -> None:
    photographs = load_sample_images().images  # 427x640, two
    cut = [
        (str(number), photo[y : y + SIDE, x : x + SIDE])
        for number, photo in enumerate(photographs)
        for y in range(0, 12 * SIDE, SIDE)
        for x in range(0, 20 * SIDE, SIDE)
    ]
    groups = [name for name, _ in cut]
    assert related(tensor([tile for _, tile in cut]), groups) == groups
    # The same without names is two pictures, or little more.
    assert len(set(related(tensor([tile for _, tile in cut]), names(len(cut))))) < len(cut) / 3
