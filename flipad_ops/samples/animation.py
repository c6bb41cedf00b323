"""Frames of animated GIF, WebP and PNG files: how many there are, and one of them as bytes.

Counting walks the container and decodes nothing, so it may be done outside the processes that
decode. A frame travels as its number before the whole file: frames build on each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

#: No image begins like this.
_MAGIC = b"flipad-frame\n"
#: Counting stops here.
MOST = 10_000
SUFFIXES = (".gif", ".webp", ".png", ".apng")


def count_frames(data: bytes) -> int:
    """How many frames a file has; 1 for a still image and for what is none."""
    if data.startswith((b"GIF87a", b"GIF89a")):
        return max(1, _gif(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        found = 0
        for kind, _ in _chunks(data, 12, "little"):
            found += kind == b"ANMF"
            if found == MOST:
                break
        return max(1, found)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        for kind, body in _chunks(data, 8, "big"):
            if kind == b"acTL":
                return min(MOST, max(1, int.from_bytes(body[:4], "big")))
            if kind == b"IDAT":
                break
    return 1


def evenly(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` frames at even distances, the first among them; all, if they are few."""
    if wanted >= count:
        return list(range(count))
    return [place * count // wanted for place in range(wanted)]


def write_frame(data: bytes, number: int) -> bytes:
    """Frame `number`, from 0, of a file."""
    return _MAGIC + b"%d\n" % number + data


def read_frame(data: bytes) -> tuple[bytes, int]:
    """The file and the number in what `write_frame` made; of anything else itself and 0."""
    if not data.startswith(_MAGIC):
        return data, 0
    number, _, content = data[len(_MAGIC) :].partition(b"\n")
    return content, int(number[:9]) if number[:9].isdigit() else 0


def _chunks(
    data: bytes, place: int, order: Literal["little", "big"]
) -> Iterator[tuple[bytes, bytes]]:
    """Type and content's beginning of RIFF ("little") or PNG ("big") chunks."""
    while place + 8 <= len(data):
        first, second = data[place : place + 4], data[place + 4 : place + 8]
        if order == "little":
            kind, size = first, int.from_bytes(second, "little")
            step = 8 + size + size % 2
        else:
            kind, size = second, int.from_bytes(first, "big")
            step = 12 + size
        yield kind, data[place + 8 : place + 24]
        place += step


def _gif(data: bytes) -> int:
    """Image descriptors in a GIF, as far as its blocks hold together."""
    found, place = 0, 13 + _colours(data, 10)
    while place < len(data) and found < MOST:
        if data[place] == 0x21:
            place += 2
        elif data[place] == 0x2C:
            found += 1
            place += 11 + _colours(data, place + 9)
        else:  # the end, or nonsense
            break
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
    return found


def _colours(data: bytes, place: int) -> int:
    """Bytes of the colour table that the flags at `place` announce."""
    flags = data[place] if place < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
