"""A PNG without its texts, for files whose texts alone cannot be read."""

from __future__ import annotations

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def without_text(data: bytes) -> bytes:
    """The file without its chunks of text; what follows a chunk that is cut short is kept as is."""
    parts, place, kept = list[bytes](), 8, 0
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in _TEXTS:
            parts.append(data[kept:place])
            kept = end
        place = end
    return b"".join([*parts, data[kept:]])
