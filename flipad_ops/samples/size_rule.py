"""Decoded image to the channels and size an attributor was fitted for.

Grey to RGB repeats the channel. RGB to grey takes one channel where all three are equal and
the ITU-R 601 luma otherwise. Size mismatch follows a `SizeRule`: "reject" (the default: any
resampling changes what is being measured), "centre-crop", "resize" (bicubic) or "search".

"search" looks for resized and cropped copies: the largest central part of the generator's aspect,
resized (bicubic, averaging where it shrinks, as Pillow does). Only a second witness, which searches
zoom, shift, a stay at a smaller size and a small filter, can speak on such an image. It can find
copies stored at half the generator's size or more, with moderate blur or compression, and crops
down to about 80% of a side; not rotated, mirrored or stretched ones, nor smaller crops. The smaller
the stored image, the more foreign ones it also accepts.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flipad_ops.common.errors import UsageError, WrongImageSize
from flipad_ops.samples.decode import Pixels

SizeRule = Literal["reject", "centre-crop", "resize", "search"]
#: Left, top, right, bottom in pixels, fractions of them too.
Box = tuple[float, float, float, float]
#: Smallest height and width that "search" takes, as a share of the generator's.
SMALLEST = 0.5


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
        Another size under "reject", or too small for "centre-crop" or "search".
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
        elif size_rule == "search":
            pixels = _resize(pixels, height, width, _largest_part(have, (height, width)))
        else:
            pixels = _resize(pixels, height, width)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def searched(pixels: NDArray[Any], shape: tuple[int, ...], size_rule: SizeRule) -> str:
    """What "search" did to (height, width, channels) pixels, a sentence; "" if nothing."""
    have, want = pixels.shape[:2], shape[1:]
    if size_rule != "search" or have == want:
        return ""
    return f"Stored at {have[1]}x{have[0]}, searched as {want[1]}x{want[0]}."


def _largest_part(have: tuple[int, ...], want: tuple[int, int]) -> Box:
    """The largest central part of the aspect wanted; both are height and width."""
    low, narrow = (math.ceil(SMALLEST * side) for side in want)
    if have[0] < low or have[1] < narrow:
        raise WrongImageSize(
            f"{have[1]}x{have[0]} pixels; the search for {want[1]}x{want[0]} takes "
            f"{narrow}x{low} and more."
        )
    scale = min(have[0] / want[0], have[1] / want[1])
    down, right = ((side - scale * to) / 2 for side, to in zip(have, want, strict=True))
    return right, down, have[1] - right, have[0] - down


def _centre_crop(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    have_h, have_w = pixels.shape[:2]
    if have_h < height or have_w < width:
        raise WrongImageSize(f"{have_w}x{have_h} pixels, smaller than {width}x{height}.")
    top, left = (have_h - height) // 2, (have_w - width) // 2
    return pixels[top : top + height, left : left + width]


def _resize(pixels: NDArray[Any], height: int, width: int, part: Box | None = None) -> NDArray[Any]:
    if pixels.dtype == np.uint8:
        planes = [_scaled(pixels[..., c], height, width, part) for c in range(pixels.shape[2])]
        return np.stack(planes, axis=-1).astype(np.uint8)
    planes = [
        _scaled(pixels[..., c].astype(np.float32), height, width, part)
        for c in range(pixels.shape[2])
    ]
    top = np.iinfo(pixels.dtype).max
    return np.stack(planes, axis=-1).round().clip(0, top).astype(pixels.dtype)


def _scaled(plane: NDArray[Any], height: int, width: int, part: Box | None) -> NDArray[Any]:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=part))
