"""What a scorer takes: 8-bit images, 16-bit images or rows of a table. Decoding processes import
this, so no torch here; `tensors` goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.common.errors import NotAnImage
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.decode import DecodedImage
from flipad_ops.samples.row import is_row, read_row
from flipad_ops.samples.size_rule import Shape, SizeRule, fit_deep, fit_to

#: Decoded samples: uint8, uint16 or float32.
Values = NDArray[Any]
ROUNDED = "A 16-bit file, rounded to the 8 bits that the attributor was fitted to."


@dataclass(frozen=True)
class DeepShape:
    """16-bit images of (channels, height, width)."""

    channels: int
    height: int
    width: int


Sample = Shape | DeepShape | Columns


def array_shape(sample: Sample) -> tuple[int, ...]:
    """Shape of one array."""
    if isinstance(sample, Columns):
        return (len(sample),)
    if isinstance(sample, DeepShape):
        return sample.channels, sample.height, sample.width
    return sample


def array_type(sample: Sample) -> np.dtype[Any]:
    """Type of its entries."""
    kind = {Columns: np.float32, DeepShape: np.uint16}.get(type(sample), np.uint8)
    return np.dtype(kind)


def array_bytes(sample: Sample) -> int:
    """Bytes of one array."""
    return math.prod(array_shape(sample)) * array_type(sample).itemsize


def describe(sample: Sample) -> str:
    """For people."""
    if isinstance(sample, Columns):
        return f"rows of {len(sample)} columns"
    channels, height, width = array_shape(sample)
    return f"{width}x{height}x{channels}" + (", 16 bit" if isinstance(sample, DeepShape) else "")


def take(
    data: bytes, image: DecodedImage | None, sample: Sample, size_rule: SizeRule
) -> tuple[Values, str]:
    """The array that a scorer takes of a decoded image, or of a row where there is none.

    Returns
    -------
    array of `array_shape` and `array_type`
    str
        What its score rests on if not the usual; mostly "".

    Raises
    ------
    ImageError
    """
    if isinstance(sample, Columns):
        if not is_row(data):
            raise NotAnImage("No row of a table; this attributor takes nothing else.")
        return read_row(data, sample), ""
    if image is None:
        raise NotAnImage("A row of a table; this attributor takes images.")
    if isinstance(sample, DeepShape):
        return fit_deep(image, (sample.channels, sample.height, sample.width), size_rule), ""
    return fit_to(image, sample, size_rule), ROUNDED if image.deep is not None else ""
