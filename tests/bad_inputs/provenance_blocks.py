"""Blocks that say nothing a reader could use. The image is scored as if they were not there."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.bad_inputs.images import END, SIDE, chunk, header, idat, png, raw

_XMP = "XML:com.adobe.xmp"
_STORE = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71\x03c2pa\x00"


def texted(**texts: str) -> bytes:
    """A PNG with texts, compressed ones."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key.replace("xmp", _XMP), text, zip=True)
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def jpeg(*segments: tuple[int, bytes], **options: object) -> bytes:
    """A JPEG with more segments of (marker, content)."""
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", **options)
    more = b"".join(
        b"\xff" + bytes([mark]) + (len(body) + 2).to_bytes(2, "big") + body
        for mark, body in segments
    )
    return file.getvalue()[:2] + more + file.getvalue()[2:]


def with_exif(tags: dict[int, object]) -> bytes:
    """A JPEG with these EXIF tags."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return jpeg(exif=exif)


def manifest(body: bytes) -> bytes:
    """A PNG with a C2PA store of these bytes behind its description."""
    box = (len(_STORE) + 4).to_bytes(4, "big") + _STORE + body
    store = (len(box) + 8).to_bytes(4, "big") + b"jumb" + box
    return png(header(), chunk(b"caBX", store), idat(raw()), END)


_GROWING = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
_BOMB = f'<!DOCTYPE x [<!ENTITY e0 "a">{_GROWING}]><x>&e11;</x>'
_ODD = [{"type": ["Loader"], "widgets_values": {}, "ckpt_name": [1], "hash": {}}]
_CIRCLE = {"1": {"inputs": {"a": ["2", 0]}}, "2": {"inputs": {"a": ["1", 0]}}}
_OUTSIDE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'
#: Name, content, words of what is told of the file; "" if nothing is wrong with it.
CASES: list[tuple[str, Callable[[], bytes], str]] = [
    ("parameters of 2 MB", lambda: texted(parameters="a" * 2_000_000), "texts cannot be read"),
    ("parameters of 1,048,577 characters", lambda: png(
        header(), chunk(b"tEXt", b"parameters\0" + b"a" * (2**20 + 1)), idat(raw()), END),
     "over the limit of 1048576"),
    ("100 texts of 1 MB", lambda: png(header(), *(
        chunk(b"zTXt", b"k%d\0\0" % n + _deflated(10**6)) for n in range(100)), idat(raw()), END),
     "texts cannot be read"),
    ("parameters of control characters", lambda: texted(
        parameters="Steps: 1, Model: \x1b[31m\u202eevil, Version: \x07"), ""),
    ("a hash that is none", lambda: texted(parameters="Steps: 1, Model hash: zzzzzzzzzz"), ""),
    ("prompt graph: no JSON", lambda: texted(prompt="{'a': 1"), "prompt graph cannot be read"),
    ("prompt graph: nodes in a circle", lambda: texted(prompt=json.dumps(_CIRCLE)), ""),
    ("prompt graph: nested 100,000 deep", lambda: texted(prompt="[" * 100_000), "too deeply"),
    ("prompt graph: a number", lambda: texted(prompt="7"), "no graph"),
    ("workflow graph: 300,000 values", lambda: texted(workflow=json.dumps([0] * 300_000)),
     "more than 200000 values"),
    ("workflow graph: a number of 5,000 digits", lambda: texted(workflow="[" + "9" * 5000 + "]"),
     "no JSON"),
    ("workflow graph: lists where texts belong", lambda: texted(workflow=json.dumps(_ODD)), ""),
    ("XMP: entities that grow", lambda: texted(xmp=_BOMB), "declares entities"),
    ("XMP: entity of a file", lambda: texted(xmp=_OUTSIDE), "declares entities"),
    ("XMP: entities in UTF-16", lambda: jpeg(
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + _OUTSIDE.encode("utf-16"))),
     "declares entities"),
    ("XMP: cut short", lambda: texted(xmp="<x:xmpmeta xmlns:x='a'><b"), "no XML"),
    ("XMP: 100,000 elements deep", lambda: texted(xmp="<a>" * 100_000), "no XML"),
    ("XMP: a source type of 500 KB", lambda: texted(
        xmp="<a DigitalSourceType='" + "x" * 500_000 + "'/>"), ""),
    ("EXIF: garbage", lambda: jpeg((0xE1, b"Exif\0\0" + b"\xff" * 60)), ""),
    ("EXIF: a comment of half a character", lambda: with_exif(
        {0x8769: {0x9286: b"UNICODE\0" + b"\xd8"}}), ""),
    ("EXIF: a graph that is none", lambda: with_exif({271: "workflow:{"}), "EXIF cannot be read"),
    ("IPTC: lengths beyond the end", lambda: jpeg(
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x08\x1c\x02A\x7f\xff" + b"ab\0")), ""),
    ("C2PA: no store behind its head", lambda: manifest(b""), "C2PA manifest"),
    ("C2PA: garbage", lambda: manifest(b"\xff" * 500), "C2PA manifest"),
    ("C2PA: a box of 4 GB", lambda: manifest(b"\xff\xff\xff\xffjumb" + bytes(50)), "C2PA manifest"),
]  # fmt: skip


def _deflated(size: int) -> bytes:
    import zlib

    return zlib.compress(b"a" * size, 9)
