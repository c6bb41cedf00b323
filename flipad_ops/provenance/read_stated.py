"""Where formats keep such claims, and who reads each; a block is read or is unreadable, no more."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

from PIL import Image, ImageFile, IptcImagePlugin

from flipad_ops.provenance.c2pa_manifest import read_c2pa
from flipad_ops.provenance.generation_text import read_graph, read_parameters
from flipad_ops.provenance.stated import Gathered, Stated
from flipad_ops.provenance.xmp import read_xmp

#: Characters of one block.
LIMIT = 1 << 20
_SOFTWARE, _MAKE, _MODEL, _XMP, _EXIF, _COMMENT = 305, 271, 272, 700, 0x8769, 0x9286
_PROGRAM, _PROGRAM_VERSION = (2, 65), (2, 70)
#: Name of a block, and what reads it.
Block = tuple[str, Callable[[], None]]


def read_stated(image: Image.Image, data: bytes, kind: str) -> Stated:
    """What the file of an open image says.

    Parameters
    ----------
    image : Image
        Its pixels loaded, so that chunks behind them are known.
    data : bytes
        The file.
    kind : str
        Its format as Pillow spells it.
    """
    found = Gathered()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, read in _blocks(image, data, kind, found):
            try:
                read()
            except Exception as error:  # parsers of others, over bytes of others
                why = str(error) if type(error) is ValueError else "damaged"
                found.troubles.append(f"Its {name} cannot be read ({why}).")
    return found.done()


def _blocks(image: Image.Image, data: bytes, kind: str, found: Gathered) -> Iterator[Block]:
    texts = {k: v for k, v in image.info.items() if isinstance(k, str) and isinstance(v, str)}
    if "parameters" in texts:
        yield "parameters", lambda: read_parameters(_short(texts["parameters"]), found)
    for name in sorted(texts.keys() & {"prompt", "workflow"}):
        yield f"{name} graph", partial(_graph, texts[name], found)
    if "Software" in texts:
        found.software.append(texts["Software"])
    yield "EXIF", lambda: _exif(image, found)
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    packet = packet or getattr(image, "tag_v2", {}).get(_XMP)
    if packet:
        yield "XMP", lambda: read_xmp(_bytes(packet), found)
    if kind in ("JPEG", "TIFF"):
        yield "IPTC", lambda: _iptc(image, found)
    yield "C2PA manifest", lambda: read_c2pa(data, kind, found)


def _graph(text: str, found: Gathered) -> None:
    read_graph(_short(text), found)


def _exif(image: Image.Image, found: Gathered) -> None:
    if not (exif := image.getexif()):
        return
    if isinstance(name := exif.get(_SOFTWARE), str):
        found.software.append(name)
    # ComfyUI keeps its graphs there in WebP files.
    for tag in (_MAKE, _MODEL):
        start, _, graph = str(exif.get(tag, "")).partition(":")
        if start in ("workflow", "prompt"):
            _graph(graph, found)
    comment = exif.get_ifd(_EXIF).get(_COMMENT)
    if isinstance(comment, bytes):
        head, body = comment[:8], comment[8 : 2 * LIMIT + 8]
        comment = body.decode("utf-16-be" if head == b"UNICODE\0" else "utf-8", "replace")
    if isinstance(comment, str):
        read_parameters(_short(comment), found)


def _iptc(image: Image.Image, found: Gathered) -> None:
    told = IptcImagePlugin.getiptcinfo(cast(ImageFile.ImageFile, image)) or {}
    parts = (told.get(_PROGRAM), told.get(_PROGRAM_VERSION))
    words = [part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes)]
    if words:
        found.software.append(" ".join(words))


def _short(text: str) -> str:
    if len(text) > LIMIT:
        raise ValueError(f"{len(text)} characters, over the limit of {LIMIT}")
    return text


def _bytes(packet: object) -> bytes:
    data = packet.encode() if isinstance(packet, str) else bytes(packet)  # type: ignore[call-overload]
    if len(data) > LIMIT:
        raise ValueError(f"{len(data)} bytes, over the limit of {LIMIT}")
    return data
