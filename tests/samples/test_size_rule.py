"""Channels and sizes by stated rules."""

from __future__ import annotations

import numpy as np
import pytest

from flipad_ops.common.errors import UsageError, WrongImageSize
from flipad_ops.samples.decode import DecodedImage, Pixels
from flipad_ops.samples.image_space import Images


def image(pixels: Pixels) -> DecodedImage:
    return DecodedImage(pixels, "PNG", "RGB", 255, "0" * 64)


def noise(height: int, width: int, channels: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)


def test_exact_size_is_untouched() -> None:
    pixels = noise(4, 6, 3)
    fitted = Images((3, 4, 6)).fit(image(pixels))
    assert fitted.flags.c_contiguous
    np.testing.assert_array_equal(fitted, pixels.transpose(2, 0, 1))


def test_grey_repeats_and_equal_channels_collapse() -> None:
    grey = noise(4, 4, 1)
    colour = Images((3, 4, 4)).fit(image(grey))
    np.testing.assert_array_equal(colour, np.repeat(grey.transpose(2, 0, 1), 3, axis=0))
    back = Images((1, 4, 4)).fit(image(np.ascontiguousarray(colour.transpose(1, 2, 0))))
    np.testing.assert_array_equal(back, grey.transpose(2, 0, 1))


def test_colour_to_grey_is_luma() -> None:
    red = np.zeros((2, 2, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert Images((1, 2, 2)).fit(image(red)).ravel().tolist() == [76] * 4


def test_reject_is_the_default() -> None:
    with pytest.raises(WrongImageSize, match="6x4 pixels, expected 4x4"):
        Images((3, 4, 4)).fit(image(noise(4, 6, 3)))


def test_centre_crop() -> None:
    pixels = noise(8, 10, 3)
    np.testing.assert_array_equal(
        Images((3, 4, 4)).fit(image(pixels), "centre-crop"), pixels[2:6, 3:7].transpose(2, 0, 1)
    )
    with pytest.raises(WrongImageSize, match="smaller"):
        Images((3, 9, 4)).fit(image(pixels), "centre-crop")


def test_resize_keeps_a_constant() -> None:
    flat = np.full((9, 5, 3), 77, dtype=np.uint8)
    assert (Images((3, 4, 4)).fit(image(flat), "resize") == 77).all()


def test_unknown_rule_and_channels() -> None:
    with pytest.raises(UsageError):
        Images((3, 4, 4)).fit(image(noise(4, 4, 3)), "stretch")  # type: ignore[arg-type]
    with pytest.raises(WrongImageSize):
        Images((2, 4, 4)).fit(image(noise(4, 4, 3)))
