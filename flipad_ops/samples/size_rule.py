"""Decoded image to the channels and size an attributor was fitted for.

Grey to RGB repeats the channel. RGB to grey takes one channel where all three are equal and
the ITU-R 601 luma otherwise. Size mismatch follows a `SizeRule`: "reject" (the default: any
resampling changes what is being measured), "centre-crop" or "resize" (bicubic).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flipad_ops.common.errors import NotAnImage, UsageError, WrongImageSize
from flipad_ops.samples.decode import DecodedImage, Pixels

__all__ = ["Shape", "SizeRule", "fit_deep", "fit_to", "match_channels"]

SizeRule = Literal["reject", "centre-crop", "resize"]
Shape = tuple[int, int, int]


def fit_to(image: DecodedImage, shape: Shape, size_rule: SizeRule = "reject") -> Pixels:
    """Pixels as a contiguous uint8 array of `shape` (channels, height, width).

    Raises
    ------
    WrongImageSize
        Another size under "reject", or too small for "centre-crop".
    """
    return _placed(match_channels(image.pixels, shape[0]), shape, size_rule)


def fit_deep(
    image: DecodedImage, shape: Shape, size_rule: SizeRule = "reject"
) -> NDArray[np.uint16]:
    """The same at full precision, uint16; errors as of `fit_to`.

    Raises
    ------
    NotAnImage
        A file of 8 bits: how it was rounded is not known to an attributor of 16-bit samples.
    """
    if image.deep is None:
        bits = "16-bit colour, of which 8 bits are read" if image.levels > 255 else "8-bit file"
        raise NotAnImage(f"{bits}; the attributor was fitted to 16-bit samples.".capitalize())
    return _placed(np.repeat(image.deep, shape[0], axis=2), shape, size_rule)


def match_channels(pixels: Pixels, channels: int) -> Pixels:
    """(height, width, 1 or 3) to (height, width, channels)."""
    have = pixels.shape[2]
    if have == channels:
        return pixels
    if have == 1 and channels == 3:
        return np.repeat(pixels, 3, axis=2)
    if have == 3 and channels == 1:
        if bool((pixels[..., :1] == pixels[..., 1:]).all()):
            return pixels[..., :1]
        return np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.uint8)[..., None]
    raise WrongImageSize(f"{have} channels cannot become {channels}.")


def _placed(pixels: NDArray[Any], shape: Shape, size_rule: SizeRule) -> NDArray[Any]:
    """(height, width, channels) of any size to contiguous `shape`."""
    if size_rule not in get_args(SizeRule):
        raise UsageError(
            f"Unknown size rule {size_rule!r}; one of {', '.join(get_args(SizeRule))}."
        )
    _, height, width = shape
    have = pixels.shape[:2]
    if have != (height, width):
        if size_rule == "reject":
            raise WrongImageSize(f"{have[1]}x{have[0]} pixels, expected {width}x{height}.")
        if size_rule == "centre-crop":
            pixels = _centre_crop(pixels, height, width)
        else:
            pixels = _resize(pixels, height, width)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _centre_crop(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    have_h, have_w = pixels.shape[:2]
    if have_h < height or have_w < width:
        raise WrongImageSize(f"{have_w}x{have_h} pixels, smaller than {width}x{height}.")
    top, left = (have_h - height) // 2, (have_w - width) // 2
    return pixels[top : top + height, left : left + width]


def _resize(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if pixels.dtype == np.uint8:
        planes = [_scaled(pixels[..., c], height, width) for c in range(pixels.shape[2])]
        return np.stack(planes, axis=-1).astype(np.uint8)
    planes = [
        _scaled(pixels[..., c].astype(np.float32), height, width) for c in range(pixels.shape[2])
    ]
    top = np.iinfo(pixels.dtype).max
    return np.stack(planes, axis=-1).round().clip(0, top).astype(pixels.dtype)


def _scaled(plane: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
