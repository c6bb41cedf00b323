"""Pixels to PNG files and to data URIs for the report."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from flipad_ops.common.errors import UsageError
from flipad_ops.samples.decode import Pixels

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "data_uri",
    "encode_png",
    "save_deep_png",
    "save_png",
    "thumbnail_uri",
    "to_image",
    "to_uint8",
]


def to_uint8(pixels: Tensor) -> Pixels:
    """(channels, height, width) in [0, 1] to (height, width, channels) uint8, rounded.

    Rounds half up as torchvision's `save_image` does; values outside [0, 1] are clamped.
    """
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise UsageError(f"Expected (1 or 3, height, width) pixels, got {tuple(pixels.shape)}.")
    scaled = pixels.detach().float().cpu().mul(255).add(0.5).clamp(0, 255)
    return scaled.permute(1, 2, 0).numpy().astype(np.uint8)


def to_image(pixels: Pixels) -> Image.Image:
    """An (H, W, 1 or 3) uint8 array as a grey or RGB image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def encode_png(pixels: Tensor | Pixels) -> bytes:
    """PNG bytes of a (C, H, W) tensor in [0, 1] or an (H, W, C) uint8 array."""
    array = pixels if isinstance(pixels, np.ndarray) else to_uint8(pixels)
    buffer = io.BytesIO()
    to_image(array).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(pixels: Tensor, path: str | Path) -> Path:
    """Write a (C, H, W) tensor in [0, 1] as an 8-bit PNG file; parents are created."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode_png(pixels))
    return target


def data_uri(data: bytes, media_type: str = "image/png") -> str:
    """Bytes as a base64 data URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def thumbnail_uri(pixels: Pixels, longest: int = 128) -> str:
    """A data URI of an (H, W, C) uint8 array, shrunk to `longest` if larger.

    Small images stay as they are, in PNG: the page enlarges them without smoothing. What is left of
    larger ones is no evidence, and in WebP a tenth as long.
    """
    image = to_image(pixels)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if max(image.size) <= 128:
        image.save(buffer, "PNG", optimize=True)
        return data_uri(buffer.getvalue())
    image.save(buffer, "WEBP", quality=90)
    return data_uri(buffer.getvalue(), "image/webp")


def save_deep_png(image: Tensor, path: Path) -> None:
    """Write one greyscale image, float32 (1, height, width) in [0, 1], as a 16-bit PNG file."""
    pixels = (image[0].double() * 65535).round().numpy().astype(np.uint16)
    Image.fromarray(pixels).save(path)
