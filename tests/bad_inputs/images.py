"""Files that lie in a bucket. A scan scores, skips or never lists each; it never stops."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

SIDE = 8
SKIPPED, SCORED = "skipped", "scored"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    """A PNG chunk, with a wrong checksum where one is given."""
    sum_ = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)


def header(
    width: int = SIDE, height: int = SIDE, depth: int = 8, colour: int = 2, rest: bytes = b"\0\0\0"
) -> bytes:
    """IHDR."""
    return chunk(b"IHDR", struct.pack(">IIBB", width, height, depth, colour) + rest)


def raw(width: int = SIDE, height: int = SIDE, channels: int = 3) -> bytes:
    """Zero pixels, each line with its filter byte."""
    return (b"\0" + bytes(width * channels)) * height


def png(*chunks: bytes) -> bytes:
    """A PNG of just these chunks."""
    return _SIGNATURE + b"".join(chunks)


def idat(data: bytes) -> bytes:
    """Compressed pixels."""
    return chunk(b"IDAT", zlib.compress(data, 9))


END = chunk(b"IEND", b"")


def saved(format_: str, size: tuple[int, int] = (SIDE, SIDE), mode: str = "RGB", **options: object
          ) -> bytes:  # fmt: skip
    """Noise as Pillow saves it."""
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, format_, **options)
    return file.getvalue()


def frames(format_: str, count: int) -> bytes:
    """An animation."""
    images = [Image.new("RGB", (SIDE, SIDE), (n % 255, 9, 9)) for n in range(count)]
    file = io.BytesIO()
    images[0].save(file, format_, save_all=True, append_images=images[1:])
    return file.getvalue()


def jpeg_sized(width: int, height: int) -> bytes:
    """A JPEG whose header states another size."""
    data = bytearray(saved("JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def without(data: bytes, marker: bytes) -> bytes:
    """A JPEG without its segments of one kind."""
    while (place := data.find(marker)) >= 0:
        length = struct.unpack(">H", data[place + 2 : place + 4])[0]
        data = data[:place] + data[place + 2 + length :]
    return data


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """One directory of (tag, type, count, value)."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", following)


def bmp(width: int, height: int, compression: int = 0, data: bytes = b"") -> bytes:
    """A BMP of 24 bits."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data


def half(data: bytes) -> bytes:
    """Cut short."""
    return data[: len(data) // 2]


def riff(kind: bytes, body: bytes) -> bytes:
    """A WebP container with one chunk."""
    inside = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


_BOX = b"\0\0\0\x18ftyp"
#: Name, content, outcome, words of the reason.
CASES: list[tuple[str, Callable[[], bytes], str, str]] = [
    ("empty file", lambda: b"", SKIPPED, "empty"),
    ("one byte", lambda: b"\x89", SKIPPED, ""),
    ("text", lambda: b"hello " * 100, SKIPPED, ""),
    ("zip archive", lambda: b"PK\x03\x04" + bytes(200), SKIPPED, ""),
    ("HTML with a script", lambda: b"<html><script>alert(1)</script>", SKIPPED, ""),
    ("SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", SKIPPED, ""),
    ("PDF", lambda: b"%PDF-1.7\n" + bytes(100), SKIPPED, ""),
    ("PostScript", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\nshowpage", SKIPPED, ""),
    ("ELF program", lambda: b"\x7fELF" + bytes(200), SKIPPED, ""),
    ("pickle", lambda: b"\x80\x04cos\nsystem\n.", SKIPPED, ""),
    ("ICO", lambda: saved("ICO", (16, 16)), SKIPPED, ""),
    ("PPM", lambda: saved("PPM"), SKIPPED, ""),
    ("TGA", lambda: saved("TGA"), SKIPPED, ""),
    ("PSD", lambda: b"8BPS\0\1" + bytes(40), SKIPPED, ""),
    ("JPEG 2000", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), SKIPPED, ""),
    ("JPEG XL", lambda: b"\xff\x0a" + bytes(40), SKIPPED, ""),
    ("AVIF", lambda: _BOX + b"avif" + bytes(40), SKIPPED, ""),
    ("HEIC", lambda: _BOX + b"heic" + bytes(40), SKIPPED, ""),
    ("PNG: signature alone", lambda: _SIGNATURE, SKIPPED, ""),
    ("PNG: header alone", lambda: png(header()), SKIPPED, ""),
    ("PNG: no pixels", lambda: png(header(), END), SKIPPED, ""),
    ("PNG: cut short", lambda: half(saved("PNG", (64, 64))), SKIPPED, ""),
    ("PNG: wrong checksum of the header",
     lambda: png(chunk(b"IHDR", struct.pack(">IIBB", 8, 8, 8, 2) + b"\0\0\0", crc=1),
                 idat(raw()), END), SKIPPED, ""),
    ("PNG: width 0", lambda: png(header(width=0), idat(raw()), END), SKIPPED, ""),
    ("PNG: height 0", lambda: png(header(height=0), idat(raw()), END), SKIPPED, ""),
    ("PNG: 400 megapixels in 50 KB",
     lambda: png(header(20_000, 20_000, 8, 0), idat(bytes(10_000_000)), END), SKIPPED, "limit"),
    ("PNG: sides of 2^31-1", lambda: png(header(2**31 - 1, 2**31 - 1), END), SKIPPED, ""),
    ("PNG: one line of 24 million pixels",
     lambda: png(header(24_000_000, 1), idat(raw(24_000_000, 1)), END), SKIPPED, ""),
    ("PNG: pixels that are no zlib stream",
     lambda: png(header(), chunk(b"IDAT", b"garbage" * 9), END), SKIPPED, ""),
    ("PNG: too few pixels", lambda: png(header(), idat(raw(height=3)), END), SCORED, ""),
    ("PNG: too many pixels", lambda: png(header(), idat(raw(height=900)), END), SCORED, ""),
    ("PNG: unknown filter", lambda: png(header(), idat(b"\x09" + raw()[1:]), END), SKIPPED, ""),
    ("PNG: colour type 5", lambda: png(header(colour=5), idat(raw()), END), SKIPPED, ""),
    ("PNG: depth 3", lambda: png(header(depth=3), idat(raw()), END), SKIPPED, ""),
    ("PNG: unknown compression",
     lambda: png(header(rest=b"\x01\0\0"), idat(raw()), END), SCORED, ""),
    ("PNG: palette missing", lambda: png(header(colour=3), idat(raw(channels=1)), END), SCORED, ""),
    ("PNG: compressed text of 100 MB",
     lambda: png(header(), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)),
                 idat(raw()), END), SCORED, ""),
    ("PNG: broken colour profile",
     lambda: png(header(), chunk(b"iCCP", b"x\0\0" + b"garbage"), idat(raw()), END), SCORED, ""),
    ("PNG: unknown critical chunk",
     lambda: png(header(), chunk(b"ABCD", b"x"), idat(raw()), END), SCORED, ""),
    ("PNG: data after the end", lambda: saved("PNG") + b"<?php evil ?>", SCORED, ""),
    ("PNG: animation", lambda: frames("PNG", 4), SCORED, ""),
    ("PNG: another size", lambda: saved("PNG", (9, 8)), SKIPPED, "expected 8x8"),
    ("PNG: one pixel", lambda: saved("PNG", (1, 1)), SKIPPED, "expected 8x8"),
    ("PNG: grey", lambda: saved("PNG", mode="L"), SCORED, ""),
    ("PNG: black and white", lambda: saved("PNG", mode="1"), SCORED, ""),
    ("PNG: alpha", lambda: saved("PNG", mode="RGBA"), SCORED, ""),
    ("JPEG: first bytes alone", lambda: b"\xff\xd8\xff", SKIPPED, ""),
    ("JPEG: cut short", lambda: half(saved("JPEG", (64, 64))), SKIPPED, ""),
    ("JPEG: progressive, cut short",
     lambda: half(saved("JPEG", (64, 64), progressive=True)), SKIPPED, ""),
    ("JPEG: garbage for a body", lambda: b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4, SKIPPED, ""),
    ("JPEG: states 65535x65535", lambda: jpeg_sized(65_535, 65_535), SKIPPED, "limit"),
    ("JPEG: states height 0", lambda: jpeg_sized(8, 0), SKIPPED, ""),
    ("JPEG: no quantisation tables", lambda: without(saved("JPEG"), b"\xff\xdb"), SKIPPED, ""),
    ("JPEG: no Huffman tables", lambda: without(saved("JPEG"), b"\xff\xc4"), SCORED, ""),
    ("JPEG: broken EXIF",
     lambda: saved("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), SCORED, ""),
    ("JPEG: CMYK", lambda: saved("JPEG", mode="CMYK"), SCORED, ""),
    ("GIF: header alone", lambda: b"GIF89a" + bytes(7), SKIPPED, ""),
    ("GIF: canvas of 65535x65535",
     lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(40), SKIPPED, ""),
    ("GIF: cut short", lambda: half(saved("GIF", (64, 64))), SKIPPED, ""),
    ("GIF: 2,000 frames", lambda: frames("GIF", 2_000), SCORED, ""),
    ("WebP: container alone", lambda: riff(b"VP8 ", b""), SKIPPED, ""),
    ("WebP: canvas of 16383x16383",
     lambda: riff(b"VP8X", b"\0\0\0\0" + b"\xfe\x3f\0\xfe\x3f\0"), SKIPPED, ""),
    ("WebP: cut short", lambda: half(saved("WEBP", (64, 64))), SKIPPED, ""),
    ("WebP: animation", lambda: frames("WEBP", 3), SCORED, ""),
    ("BMP: header alone", lambda: bmp(8, 8), SKIPPED, ""),
    ("BMP: states 30000x30000", lambda: bmp(30_000, 30_000), SKIPPED, "limit"),
    ("BMP: negative width", lambda: bmp(-8, 8, data=bytes(192)), SKIPPED, ""),
    ("BMP: upside down", lambda: bmp(8, -8, data=bytes(192)), SCORED, ""),
    ("BMP: unknown compression", lambda: bmp(8, 8, 77, bytes(192)), SKIPPED, ""),
    ("TIFF: header alone", lambda: b"II*\0", SKIPPED, ""),
    ("TIFF: directory out of the file", lambda: b"II*\0\xff\xff\xff\x7f", SKIPPED, ""),
    ("TIFF: directory that follows itself", lambda: tiff((256, 4, 1, 8), following=8), SKIPPED, ""),
    ("TIFF: four thousand million values in a tag",
     lambda: tiff((256, 4, 2**32 - 1, 8), (257, 4, 1, 8)), SKIPPED, ""),
    ("TIFF: states 60000x60000",
     lambda: tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000), (258, 3, 1, 8), (262, 3, 1, 1),
                  (273, 4, 1, 8), (279, 4, 1, 9)), SKIPPED, ""),
    ("TIFF: unknown compression",
     lambda: tiff((256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 999),
                  (262, 3, 1, 1), (273, 4, 1, 8)), SKIPPED, ""),
    ("TIFF: cut short", lambda: half(saved("TIFF", (64, 64))), SKIPPED, ""),
    ("TIFF: floating point", lambda: saved("TIFF", mode="F"), SKIPPED, "no stated range"),
    ("TIFF: 32-bit integers", lambda: saved("TIFF", mode="I"), SKIPPED, "no stated range"),
    ("TIFF: BigTIFF", lambda: saved("TIFF", big_tiff=True), SCORED, ""),
    ("TIFF: BigTIFF cut short", lambda: half(saved("TIFF", (64, 64), big_tiff=True)), SKIPPED, ""),
    ("TIFF: BigTIFF header alone", lambda: b"II+\0\x08\0\0\0", SKIPPED, ""),
    ("TIFF: 16 bits", lambda: saved("TIFF", mode="I;16"), SCORED, ""),
    ("TIFF: one bit", lambda: saved("TIFF", mode="1"), SCORED, ""),
    ("TIFF: CMYK", lambda: saved("TIFF", mode="CMYK"), SCORED, ""),
    ("TIFF: Lab", lambda: saved("TIFF", mode="LAB"), SCORED, ""),
    ("TIFF: LZW", lambda: saved("TIFF", compression="tiff_lzw"), SCORED, ""),
]  # fmt: skip
