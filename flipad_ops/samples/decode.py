"""Untrusted bytes to pixels, each odd case by one stated rule.

| input | rule |
|---|---|
| format | told from magic bytes, never from the name; PNG, JPEG, WebP, GIF, BMP, TIFF |
| bytes, pixels | over the limits: `ImageTooLarge`, before any pixel is decoded |
| truncated or damaged | `NotAnImage`; a PNG whose intact stream ends early is black there |
| animation, pages | the first frame; another where a scan asks for several, see `animation` |
| 12, 16 bit | grey: all of them in `deep`, rounded to 8 in `pixels`; colour: its high byte |
| float, signed, 32 bit | `NotAnImage`: what is white in them, the file does not say |
| palette | expanded to RGB |
| alpha | dropped, the stored colours kept: compositing would invent pixels |
| CMYK, YCbCr, Lab | converted to RGB by Pillow's plain formula, no colour profile |
| EXIF orientation | not applied: the stored grid is what a generator wrote; recorded |
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flipad_ops.common.errors import (
    ImageError,
    ImageTooLarge,
    NotAnImage,
    UsageError,
    first_line,
)
from flipad_ops.provenance import NOTHING, Stated, read_stated, without_text
from flipad_ops.samples.animation import read_frame

__all__ = ["DEFAULT_LIMITS", "DecodeLimits", "DecodedImage", "Pixels", "decode", "sniff"]

Pixels = NDArray[np.uint8]

_ORIENTATION_TAG, _BITS_TAG, _WHITE_TAG = 0x0112, 258, 262
_GREY_MODES = {"1", "L", "LA", "La"}
_DEEP_MODES = {"I;16", "I;16B", "I;16L", "I;16N"}


@dataclass(frozen=True)
class DecodeLimits:
    """What one image may cost.

    Parameters
    ----------
    max_bytes : int
        Size of the encoded file.
    max_pixels : int
        Width times height, checked on the header; far below Pillow's own 89 million.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 25_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_pixels < 1:
            raise UsageError("Decode limits must be positive.")


DEFAULT_LIMITS = DecodeLimits()
#: Of a PNG that opens only without its texts.
UNREADABLE = Stated(troubles=("Its texts cannot be read.",))
#: Frames build on each other: so many times `max_pixels` may come before and with the wanted one.
ANIMATED = 4


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One decoded image.

    Parameters
    ----------
    pixels : uint8 array (height, width, channels), channels 1 or 3
    format : str
        As Pillow spells it: "PNG", "JPEG", ...
    mode : str
        Pillow's mode of the stored image, before any conversion.
    levels : int
        255 for 8-bit files, 65535 for 16-bit ones.
    jpeg_tables : dict of int to tuple of int
        Quantisation tables as stored in a JPEG (zigzag order undone); empty otherwise.
    orientation : int
        EXIF orientation, 1 when absent; not applied.
    deep : uint16 array (height, width, 1) or None
        The pixels of a 16-bit grey file at full precision.
    stated : Stated
        What the file says of its own making.
    """

    pixels: Pixels
    format: str
    mode: str
    levels: int
    jpeg_tables: dict[int, tuple[int, ...]] = field(default_factory=dict)
    orientation: int = 1
    deep: NDArray[np.uint16] | None = None
    stated: Stated = NOTHING

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]


def sniff(data: bytes) -> str | None:
    """Format by magic bytes, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "TIFF"
    if data.startswith(b"BM") and len(data) > 26:
        return "BMP"
    return None


def decode(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode one image from its bytes.

    Raises
    ------
    NotAnImage
        Unknown magic bytes, damaged or truncated content.
    ImageTooLarge
        Over the byte or pixel limit.
    """
    data, frame = read_frame(data)
    if not data:
        raise NotAnImage("The file is empty.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"{len(data)} bytes, over the limit of {limits.max_bytes}.")
    kind = sniff(data)
    if kind is None:
        raise NotAnImage("No supported image format starts with these bytes.")
    _check_webp_canvas(data, limits)
    try:
        with warnings.catch_warnings():
            # Pillow only warns between one and two times its limit; here both are errors.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            try:
                return _decode(data, kind, limits, frame)
            except ValueError:
                # Pillow refuses the whole file for a text that it cannot read.
                if kind != "PNG" or (bare := without_text(data)) == data:
                    raise
                return replace(_decode(bare, kind, limits, frame), stated=UNREADABLE)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise ImageTooLarge(f"Over the limit of {limits.max_pixels} pixels.") from error
    except Exception as error:  # Pillow's plugins raise what their parsers stumble over
        raise NotAnImage(f"Damaged {kind}: {first_line(error)}") from error


def _decode(data: bytes, kind: str, limits: DecodeLimits, frame: int) -> DecodedImage:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        width, height = image.size
        _check_pixels(width, height, limits)
        orientation = int(image.getexif().get(_ORIENTATION_TAG, 1) or 1)
        tables = {
            int(index): tuple(int(v) for v in table)
            for index, table in getattr(image, "quantization", {}).items()
        }
        if frame:
            if (frame + 1) * width * height > ANIMATED * limits.max_pixels:
                raise ImageTooLarge(
                    f"Frame {frame} of {width}x{height} pixels, over the limit of "
                    f"{ANIMATED * limits.max_pixels} pixels in all frames to it."
                )
            image.seek(frame)
        mode = image.mode
        image.load()
        stated = read_stated(image, data, kind)
        deep = _sixteen_bit(image)
        pixels = _to_eight_bit(image) if deep is None else _rounded(deep)
    return DecodedImage(
        pixels=pixels,
        format=kind,
        mode=mode,
        levels=65535 if mode in _DEEP_MODES or _is_deep_png(data, kind) else 255,
        jpeg_tables=tables,
        orientation=orientation,
        deep=deep,
        stated=stated,
    )


def _sixteen_bit(image: Image.Image) -> NDArray[np.uint16] | None:
    """(height, width, 1), or None for a mode of 8 bits."""
    if image.mode not in _DEEP_MODES:
        return None
    stored = np.asarray(image).astype(np.int64)[..., None]
    tags = getattr(image, "tag_v2", {})  # Pillow hands these out as they are stored
    if tags.get(_BITS_TAG) == (12,):
        stored = (stored * 65535 + 2047) // 4095
    if tags.get(_WHITE_TAG) == 0:
        stored = 65535 - stored
    return stored.astype(np.uint16)


def _rounded(deep: NDArray[np.uint16]) -> Pixels:
    return ((deep.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)


def _to_eight_bit(image: Image.Image) -> Pixels:
    """Any mode but the deep ones to (height, width, 1 or 3) uint8."""
    if image.mode in {"F", "I"}:
        raise NotAnImage("Floating-point, signed and 32-bit images have no stated range.")
    grey = image.mode in _GREY_MODES
    if image.mode in {"RGBA", "RGBX", "RGBa", "LA"}:
        # Slicing keeps the stored colours where convert() might composite or unmultiply.
        pixels = np.asarray(image)[..., : 1 if grey else 3]
    elif image.mode == "PA":
        pixels = np.asarray(image.convert("RGBA"))[..., :3]
    elif image.mode in {"L", "RGB"}:
        pixels = np.asarray(image)
    else:
        pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return np.array(pixels if pixels.ndim == 3 else pixels[..., None], dtype=np.uint8, order="C")


def _check_pixels(width: int, height: int, limits: DecodeLimits) -> None:
    if width < 1 or height < 1:
        raise NotAnImage("The image has no pixels.")
    if width * height > limits.max_pixels:
        raise ImageTooLarge(f"{width}x{height} pixels, over the limit of {limits.max_pixels}.")


def _check_webp_canvas(data: bytes, limits: DecodeLimits) -> None:
    # Pillow's WebP plugin allocates the whole canvas on opening, before its own check.
    if data[:4] == b"RIFF" and data[12:16] == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        _check_pixels(width, height, limits)


def _is_deep_png(data: bytes, kind: str) -> bool:
    return kind == "PNG" and len(data) > 24 and data[24] == 16
