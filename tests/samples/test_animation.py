"""Frames of animations: counted as Pillow counts them, decoded one by one, bombs refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.errors import ImageTooLarge, NotAnImage
from flipad_ops.samples.animation import count_frames, evenly, read_frame, write_frame
from flipad_ops.samples.decode import ANIMATED, DecodeLimits, decode

COUNT, SIDE = 7, 16


def frames() -> list[np.ndarray]:
    source = np.random.default_rng(0)
    return [source.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(COUNT)]


def animated(kind: str) -> bytes:
    first, *others = [Image.fromarray(frame) for frame in frames()]
    held = io.BytesIO()
    options = {"lossless": True, "method": 0} if kind == "WEBP" else {}
    first.save(held, kind, save_all=True, append_images=others, **options)
    return held.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_every_frame_is_found_and_the_still_image_is_as_before(kind: str) -> None:
    data = animated(kind)
    assert count_frames(data) == COUNT
    assert np.array_equal(decode(write_frame(data, 0)).pixels, decode(data).pixels)
    for number, frame in enumerate(frames()):
        pixels = decode(write_frame(data, number)).pixels
        if kind == "GIF":  # of 256 colours
            assert np.abs(pixels.astype(int) - frame).mean() < 20
        else:
            assert np.array_equal(pixels, frame)
    with pytest.raises(NotAnImage):
        decode(write_frame(data, COUNT))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_damage_ends_the_count(kind: str) -> None:
    data = animated(kind)
    for length in range(0, len(data), 97):
        assert 1 <= count_frames(data[:length]) <= COUNT
    still = io.BytesIO()
    Image.fromarray(frames()[0]).save(still, kind)
    assert count_frames(still.getvalue()) == 1


def test_what_comes_before_a_frame_is_limited() -> None:
    data, limits = animated("GIF"), DecodeLimits(max_pixels=SIDE * SIDE)
    decode(write_frame(data, ANIMATED - 1), limits)
    with pytest.raises(ImageTooLarge, match="in all frames to it"):
        decode(write_frame(data, ANIMATED), limits)


def test_frames_at_even_distances_and_numbers_that_are_none() -> None:
    assert evenly(10, 3) == [0, 3, 6]
    assert evenly(2, 5) == [0, 1]
    assert read_frame(b"flipad-frame\n-1\nx") == (b"x", 0)
    assert read_frame(b"GIF") == (b"GIF", 0)
