"""Keys and states of objects in a bucket, and entries of a folder. None stops a scan."""

from __future__ import annotations

import gzip
import os
import socket
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.bad_inputs.images import SCORED, SKIPPED, saved
from tests.e2e.opaque_s3 import Stored

FAILED, LEFT_OUT = "failed", "left out"
PNG = saved("PNG")

#: Below the folder that is scanned.
KEYS: list[tuple[str, bytes, str]] = [
    *((f"control character {n:#04x}", b"a%cb.png" % n, SCORED) for n in (*range(32), 127)),
    ("none: the folder's own, with a body", b"", SCORED),
    ("slash before", b"/a.png", SCORED),
    ("two slashes before", b"//a.png", SCORED),
    ("slash behind", b"a.png/", SCORED),
    ("empty part", b"a//b.png", SCORED),
    ("part .", b"a/./b.png", SCORED),
    ("part ..", b"a/../b.png", SCORED),
    ("begins with ..", b"../../b.png", SCORED),
    ("is .", b".", SCORED),
    ("is ..", b"..", SCORED),
    ("is ...", b"...", SCORED),
    ("slash alone", b"/", SCORED),
    ("blank before", b" a.png", SCORED),
    ("blank behind", b"a.png ", SCORED),
    ("blank alone", b" ", SCORED),
    ("escaped slash", b"a%2Fb.png", SCORED),
    ("escaped NUL", b"a%00b.png", SCORED),
    ("half an escape", b"a%.png", SCORED),
    *((f"sign {sign}", b"a" + sign.encode() + b"b.png", SCORED)
      for sign in ("+", "?", "#", "&", ";", "=", "@", ":", ",", "$", "'", "^", "~", "*", "{}")),
    ("brackets", b"a[b].png", SCORED),
    ("address", b"s3://other/x.png", SCORED),
    ("web address", b"https://user:word@example/x.png", SCORED),
    ("backslash", b"a\\b.png", SCORED),
    ("quotes", b"a\"b'c.png", SCORED),
    ("shell command", b"$(id)`id`;id.png", SCORED),
    ("option", b"--help", SCORED),
    ("formula", b"=HYPERLINK(0).png", SCORED),
    ("script", b"<script>alert(1)</script>.png", SCORED),
    ("end of CDATA", b"]]>.png", SCORED),
    ("entity", b"&amp;&#0;.png", SCORED),
    ("template", b"{{ 7 * 7 }}{% x %}.png", SCORED),
    ("two lines of a header", b"a\r\nSet-Cookie: x.png", SCORED),
    ("colours of a terminal", b"\x1b[31m.png", SCORED),
    ("accent composed", "\u00e9.png".encode(), SCORED),
    ("accent apart", "e\u0301.png".encode(), SCORED),
    ("Chinese", "\u4e2d\u6587.png".encode(), SCORED),
    ("sign of four bytes", "\U0001f600.png".encode(), SCORED),
    ("direction turned", "\u202egnp.exe".encode(), SCORED),
    ("no width", "a\u200bb.png".encode(), SCORED),
    ("byte order mark", "\ufeffa.png".encode(), SCORED),
    ("line separator", "a\u2028b.png".encode(), SCORED),
    ("no character", "a\ufffeb.png".encode(), SCORED),
    ("1,000 bytes", b"a" * 996 + b".png", SCORED),
    ("byte that is no UTF-8", b"\xff.png", FAILED),
    ("slash in two bytes", b"a\xc0\xafb.png", FAILED),
    ("half a surrogate", b"a\xed\xa0\x80.png", FAILED),
    ("cut character", b"a\xe4\xb8.png", FAILED),
]  # fmt: skip


def packed(data: bytes, coding: str) -> Stored:
    """An object with a Content-Encoding."""
    return Stored(data, {"Content-Encoding": coding})


OBJECTS: list[tuple[str, Callable[[], Stored], str, str]] = [
    ("gzip", lambda: packed(gzip.compress(PNG), "gzip"), SCORED, ""),
    ("gzip, several members",
     lambda: packed(gzip.compress(PNG[:50]) + gzip.compress(PNG[50:]), "gzip"), SCORED, ""),
    ("gzip twice", lambda: packed(gzip.compress(gzip.compress(PNG)), "gzip, gzip"), SCORED, ""),
    ("deflate", lambda: packed(zlib.compress(PNG), "deflate"), SCORED, ""),
    ("labelled gzip, and plain", lambda: packed(PNG, "gzip"), SCORED, ""),
    ("labelled aws-chunked, and plain", lambda: packed(PNG, "aws-chunked"), SCORED, ""),
    ("labelled utf-8", lambda: packed(PNG, "utf-8"), SCORED, ""),
    ("labelled br, and plain", lambda: packed(PNG, "br"), SCORED, ""),
    ("gzip cut short", lambda: packed(gzip.compress(PNG)[:-9], "gzip"), SKIPPED, "ends early"),
    ("gzip damaged", lambda: packed(b"\x1f\x8b" + bytes(50), "gzip"), SKIPPED, "Damaged"),
    ("100 MB in 100 KB of gzip",
     lambda: packed(gzip.compress(bytes(10**8)), "gzip"), SKIPPED, "limit"),
    ("br", lambda: packed(b"\x0b\x02\x80", "br"), SKIPPED, "Content-Encoding"),
    ("zstd", lambda: packed(b"\x28\xb5\x2f\xfd", "zstd"), SKIPPED, "Content-Encoding"),
    ("archived, Glacier", lambda: Stored(PNG, storage="GLACIER"), SKIPPED, "Archived"),
    ("archived, Deep Archive", lambda: Stored(PNG, storage="DEEP_ARCHIVE"), SKIPPED, "Archived"),
    ("seldom read", lambda: Stored(PNG, storage="STANDARD_IA"), SCORED, ""),
]  # fmt: skip


def listener(place: Path) -> None:
    """A socket in a folder."""
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(place))


def in_bytes(place: Path, name: bytes) -> None:
    """An image under a name of any bytes."""
    with open(os.fsencode(place.parent) + b"/" + name, "wb") as file:
        file.write(PNG)


ENTRIES: list[tuple[str, Callable[[Path], object], str]] = [
    ("link to itself", lambda place: place.symlink_to(place.name), FAILED),
    ("link below itself", lambda place: place.symlink_to(f"{place.name}/x"), FAILED),
    ("link to nothing", lambda place: place.symlink_to("nothing"), LEFT_OUT),
    ("link out of the folder", lambda place: place.symlink_to("/etc/hostname"), LEFT_OUT),
    ("link to a file of the folder", lambda place: place.symlink_to("zzz good.png"), SCORED),
    ("link to the folder itself", lambda place: place.symlink_to("."), LEFT_OUT),
    ("pipe", lambda place: os.mkfifo(place), LEFT_OUT),
    ("socket", listener, LEFT_OUT),
    ("empty folder called like an image", lambda place: place.mkdir(), LEFT_OUT),
    ("hidden file", lambda place: in_bytes(place, b"." + place.name.encode()), LEFT_OUT),
    ("name that is no UTF-8",
     lambda place: in_bytes(place, place.stem.encode() + b"\xff.png"), SCORED),
    ("name of two lines", lambda place: in_bytes(place, place.stem.encode() + b"\n.png"), SCORED),
    ("name of 255 bytes",
     lambda place: in_bytes(place, place.stem.encode().ljust(255, b"a")), SCORED),
]  # fmt: skip
