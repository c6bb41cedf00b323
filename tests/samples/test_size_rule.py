"""Channels and sizes by stated rules."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.errors import UsageError, WrongImageSize
from flipad_ops.samples.decode import DecodedImage, Pixels
from flipad_ops.samples.image_space import DeepImages, Images


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


def take(pixels: Pixels, side: int = 8) -> tuple[Pixels, str]:
    return Images((pixels.shape[2], side, side)).take(b"", image(pixels), "search")


def test_search_leaves_the_size_of_the_generator_alone() -> None:
    pixels = noise(8, 8, 3)
    found, note = take(pixels)
    np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))
    assert note == ""


def test_search_resizes_as_pillow_does() -> None:
    for side in (4, 6, 12, 37):
        pixels = noise(side, side, 1)
        found, note = take(pixels)
        resized = Image.fromarray(pixels[..., 0]).resize((8, 8), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(found[0], np.asarray(resized))
        assert note == f"Stored at {side}x{side}, searched as 8x8."


def test_search_keeps_the_largest_part_of_the_aspect() -> None:
    square = noise(20, 20, 3)
    wide = np.pad(square, ((0, 0), (30, 30), (0, 0)), mode="edge")
    np.testing.assert_array_equal(take(wide[:, 20:-20])[0][:, :, 2:-2], take(square)[0][:, :, 2:-2])
    assert take(wide)[1] == "Stored at 80x20, searched as 8x8."
    # An odd rest is cut by half a pixel on either side.
    ramp = np.tile(np.arange(0, 210, 10, dtype=np.uint8)[:, None, None], (1, 16, 1))
    found, _ = take(ramp)
    assert abs(int(found[0, 3, 4]) + int(found[0, 4, 4]) - 200) <= 1
    tall = Images((3, 8, 16)).take(b"", image(noise(40, 20, 3)), "search")
    assert tall[0].shape == (3, 8, 16)


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (3, 3)])
def test_search_has_a_smallest_size(shape: tuple[int, int]) -> None:
    said = f"{shape[1]}x{shape[0]} pixels; the search for 8x8 takes 4x4 and more."
    with pytest.raises(WrongImageSize, match=said):
        take(noise(*shape, 3))
    assert take(noise(4, 40, 3))[0].shape == (3, 8, 8)


def test_search_of_16_bits() -> None:
    deep = np.full((12, 12, 1), 54321, dtype=np.uint16)
    found = DecodedImage(noise(12, 12, 1), "PNG", "I;16", 65535, "0" * 64, deep=deep)
    values, note = DeepImages((1, 8, 8)).take(b"", found, "search")
    assert (values == 54321).all()
    assert note == "Stored at 12x12, searched as 8x8."
    _, note = Images((1, 8, 8)).take(b"", found, "search")
    assert note.endswith("was fitted to. Stored at 12x12, searched as 8x8.")


def test_unknown_rule_and_channels() -> None:
    with pytest.raises(UsageError):
        Images((3, 4, 4)).fit(image(noise(4, 4, 3)), "stretch")  # type: ignore[arg-type]
    with pytest.raises(WrongImageSize):
        Images((2, 4, 4)).fit(image(noise(4, 4, 3)))
