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

from flipad_ops.common.errors import UsageError, WrongImageSize
from flipad_ops.samples.decode import Pixels

SizeRule = Literal["reject", "centre-crop", "resize"]


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


def placed(pixels: NDArray[Any], shape: tuple[int, ...], size_rule: SizeRule) -> NDArray[Any]:
    """(any height, any width, channels) to a contiguous array of `shape`: channels, height, width.

    Raises
    ------
    WrongImageSize
        Another size under "reject", or too small for "centre-crop".
    """
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
