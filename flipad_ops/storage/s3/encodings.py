"""Objects that are stored packed: `Content-Encoding`, which clients are to undo."""

from __future__ import annotations

import zlib

from flipad_ops.common.errors import ImageError, ImageTooLarge
from flipad_ops.samples.decode import sniff

#: Named, and not undone: a scan says so instead of seeing no image.
UNREAD = {"br", "zstd", "compress", "x-compress", "dcb", "dcz"}


def decoded(data: bytes, coding: str, max_bytes: int) -> bytes:
    """An object's bytes as they were before they were packed.

    A label that the bytes belie is passed over, as is one that names no coding.

    Raises
    ------
    ImageTooLarge
        More than `max_bytes` unpacked.
    ImageError
        Damaged, or packed in a way that is not read.
    """
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name in {"gzip", "x-gzip"} and data[:2] == b"\x1f\x8b":
            data = _inflated(data, 31, max_bytes)
        elif name == "deflate" and data[:1] == b"\x78":
            data = _inflated(data, 15, max_bytes)
        elif name in UNREAD and sniff(data) is None:
            raise ImageError(f"Stored with the Content-Encoding {name}, which is not undone.")
    return data


def _inflated(data: bytes, kind: int, max_bytes: int) -> bytes:
    unpacked = bytearray()
    while data:  # gzip files may follow each other
        packed = zlib.decompressobj(kind)
        try:
            unpacked += packed.decompress(data, max_bytes + 1 - len(unpacked))
        except zlib.error as error:
            raise ImageError(f"Damaged Content-Encoding: {error}.") from error
        if len(unpacked) > max_bytes:
            raise ImageTooLarge(f"Over the limit of {max_bytes} bytes unpacked.")
        if not packed.eof:
            raise ImageError("Damaged Content-Encoding: it ends early.")
        data = packed.unused_data if kind == 31 else b""
    return bytes(unpacked)
