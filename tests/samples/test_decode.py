"""Each row of the rule table in flipad_ops/samples/decode.py."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flipad_ops.common.errors import ImageError, ImageTooLarge, NotAnImage, UsageError
from flipad_ops.samples.decode import DecodeLimits, decode, sniff


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, raw: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    body = chunk(b"IDAT", zlib.compress(raw, 9))
    return signature + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def noise(height: int = 9, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_stored_pixels(format: str) -> None:
    pixels = noise()
    data = encoded(Image.fromarray(pixels), format)
    image = decode(data)
    assert image.format == sniff(data) == format
    assert image.levels == 255
    np.testing.assert_array_equal(image.pixels, pixels)


def test_jpeg_keeps_its_quantisation_tables() -> None:
    image = decode(encoded(Image.fromarray(noise(16, 16)), "JPEG", quality=90))
    assert image.format == "JPEG"
    assert {len(table) for table in image.jpeg_tables.values()} == {64}


def test_webp_and_gif_are_read() -> None:
    pixels = noise()
    webp = decode(encoded(Image.fromarray(pixels), "WEBP", lossless=True))
    np.testing.assert_array_equal(webp.pixels, pixels)
    assert decode(encoded(Image.fromarray(pixels), "GIF")).pixels.shape == (9, 7, 3)


def test_grey_stays_one_channel() -> None:
    pixels = noise(channels=1)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels[..., 0]))).pixels, pixels)


def test_alpha_is_dropped_and_stored_colours_kept() -> None:
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels))).pixels, pixels[..., :3])
    grey_alpha = Image.merge("LA", [Image.fromarray(pixels[..., i]) for i in (0, 3)])
    np.testing.assert_array_equal(decode(encoded(grey_alpha)).pixels, pixels[..., :1])


def test_palette_is_expanded() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    assert decode(encoded(image)).pixels[0, 0].tolist() == [200, 100, 50]
    transparent = decode(encoded(image, transparency=1))
    assert transparent.pixels[0, 0].tolist() == [200, 100, 50]


def test_cmyk_becomes_rgb() -> None:
    image = decode(encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"))
    assert image.mode == "CMYK"
    assert image.pixels.shape == (8, 8, 3)
    assert image.pixels.min() > 250


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    image = decode(encoded(Image.fromarray(values)))
    assert image.levels == 65535
    assert image.pixels[0, :, 0].tolist() == [0, 100, 255]


def test_sixteen_bit_colour_keeps_the_high_byte() -> None:
    raw = b"\x00" + struct.pack(">HHH", 257 * 10, 257 * 20, 65535)
    image = decode(png(1, 1, 16, 2, raw))
    assert image.levels == 65535
    assert image.pixels[0, 0].tolist() == [10, 20, 255]


def test_orientation_is_recorded_and_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(encoded(Image.fromarray(noise(8, 16)), "JPEG", exif=exif))
    assert image.orientation == 6
    assert image.size == (8, 16)


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), (0, i % 256, i // 256)) for i in range(10_000)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).pixels.max() == 0


def test_a_bomb_is_refused_on_its_header() -> None:
    bomb = png(20_000, 20_000, 1, 0, bytes((20_000 // 8 + 1) * 20_000))
    assert len(bomb) < 60_000
    with pytest.raises(ImageTooLarge):
        decode(bomb)
    with pytest.raises(ImageTooLarge):
        decode(png(6_000, 6_000, 1, 0, bytes(751 * 6_000)))


def test_a_webp_canvas_is_refused_before_it_is_allocated() -> None:
    size = (16_382).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + size
    with pytest.raises(ImageTooLarge):
        decode(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)


def test_byte_limit() -> None:
    with pytest.raises(ImageTooLarge, match="bytes"):
        decode(encoded(Image.fromarray(noise())), DecodeLimits(max_bytes=10))
    with pytest.raises(UsageError):
        DecodeLimits(max_pixels=0)


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04zip", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"BM" * 30]
)
def test_not_an_image(data: bytes) -> None:
    with pytest.raises(NotAnImage):
        decode(data)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
def test_truncation_is_an_error_and_never_half_an_image(format: str) -> None:
    data = encoded(Image.fromarray(noise(64, 64)), format)
    for cut in (30, len(data) // 2, len(data) - 100):
        with pytest.raises(ImageError):
            decode(data[:cut])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_raises_only_image_errors(data: st.DataObject) -> None:
    format = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
    content = bytearray(encoded(Image.fromarray(noise(16, 16)), format))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        assert decode(bytes(content)).pixels.dtype == np.uint8


def tiff(bits: int, values: list[int], white: int = 1, sign: int = 1, order: str = "<") -> bytes:
    """Grey values in one row, packed as TIFF does it."""
    if bits == 12:
        pairs = zip(values[::2], values[1::2], strict=True)
        body = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)
    else:
        body = struct.pack(f"{order}{len(values)}{'BHI'[bits // 16]}", *values)
    entries = {256: len(values), 257: 1, 258: bits, 259: 1, 262: white, 273: 8, 277: 1, 278: 1,
               279: len(body), 339: sign}  # fmt: skip
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    table = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())
    )
    return head + body + struct.pack(f"{order}H", len(entries)) + table + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("white", [0, 1])
def test_white_of_a_tiff_is_white_at_every_depth(order: str, bits: int, white: int) -> None:
    most = 2**bits - 1
    stored = [0, most] if white else [most, 0]
    data = tiff(bits, stored, white, order=order)
    try:
        pixels = decode(data).pixels
    except NotAnImage:  # Pillow reads only some of them
        assert (bits, white, order) not in {(8, 1, "<"), (16, 1, "<"), (16, 0, "<"), (12, 1, "<")}
        return
    assert pixels.ravel().tolist() == [0, 255]


@pytest.mark.parametrize(("bits", "sign"), [(32, 1), (32, 2), (16, 2)], ids=["u32", "i32", "i16"])
def test_depths_without_a_white_are_no_images(bits: int, sign: int) -> None:
    with pytest.raises(NotAnImage, match="no stated range"):
        decode(tiff(bits, [0, 200], sign=sign))


def test_large_tiffs_are_tiffs() -> None:
    held = io.BytesIO()
    Image.fromarray(noise()).save(held, "TIFF", big_tiff=True)
    assert held.getvalue()[:4] == b"II+\0"
    np.testing.assert_array_equal(decode(held.getvalue()).pixels, noise())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equal_bytes_give_equal_reasons(data: st.DataObject) -> None:
    """What a row says of a file holds nothing of the process that read it."""
    format = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]))
    content = bytearray(encoded(Image.fromarray(noise(16, 16)), format))
    kept = data.draw(st.integers(4, len(content)))
    content[4:kept] = data.draw(st.binary(min_size=kept - 4, max_size=kept - 4))
    reasons = set()
    for _ in range(2):
        try:
            decode(bytes(content))
        except ImageError as error:
            reasons.add(str(error))
    assert len(reasons) <= 1
    assert not any(" at 0x" in reason for reason in reasons)
