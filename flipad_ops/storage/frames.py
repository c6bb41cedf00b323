"""Frames of animated images as objects of their own, with keys `FILE/frame-NUMBER`.

They stand under one prefix, so that they are tested together like a folder. Every frame has the
ETag of its file.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flipad_ops.common.errors import FlipadError
from flipad_ops.samples.animation import SUFFIXES, count_frames, evenly, write_frame
from flipad_ops.storage.target import Content, Item, Target

#: Bytes of files that are kept while their frames are on their way.
KEPT_BYTES = 64_000_000
_FRAME = re.compile(r"(.*)/frame-(\d{4,5})", re.DOTALL)


class FramesTarget(Target):
    """Another target, of whose animations several frames are read.

    Parameters
    ----------
    target : Target
    frames : int
        So many of each animation, at even distances.
    max_bytes : int
        Larger files are not opened.
    """

    def __init__(self, target: Target, frames: int, max_bytes: int) -> None:
        self.target, self.frames, self.max_bytes = target, frames, max_bytes
        self.uri, self.concurrency = target.uri, target.concurrency
        self.versioned = target.versioned
        self._files: OrderedDict[str, Content] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return FramesTarget, (self.target, self.frames, self.max_bytes)

    def list(self) -> Iterator[Item]:
        """Files, as the target lists them; `parts` opens them."""
        return self.target.list()

    def parts(self, item: Item) -> Iterator[Item]:
        """An animation's frames, or the item itself. A file that cannot be read is left to `read`,
        which says why."""
        count = 1
        if item.key.lower().endswith(SUFFIXES) and item.size <= self.max_bytes:
            with suppress(FlipadError):
                content = self.target.read(item, self.max_bytes)
                count = count_frames(content.data)
        if count == 1:
            yield item
            return
        self._keep(item.key, content)
        for number in evenly(count, self.frames):
            yield replace(item, key=f"{item.key}/frame-{number:04d}")

    def read(self, item: Item, max_bytes: int) -> Content:
        """A frame's bytes, see `samples.animation`, or a file's."""
        found = _FRAME.fullmatch(item.key)
        if found is None:
            return self.target.read(item, max_bytes)
        with self._lock:
            content = self._files.get(found[1])
        if content is None or content.etag != item.etag:
            content = self.target.read(replace(item, key=found[1]), max_bytes)
            self._keep(found[1], content)
        return Content(write_frame(content.data, int(found[2])), content.etag)

    def earlier(self, item: Item, max_bytes: int) -> Iterator[bytes]:
        """The frame, or the file, in earlier versions."""
        found = _FRAME.fullmatch(item.key)
        of = replace(item, key=found[1] if found else item.key)
        for data in self.target.earlier(of, max_bytes):
            yield write_frame(data, int(found[2])) if found else data

    def check_reach(self) -> None:
        """The files'."""
        self.target.check_reach()

    def is_here(self, item: Item) -> bool:
        """The file."""
        return self.target.is_here(replace(item, key=file_key(item.key)))

    def address(self, key: str) -> str:
        """Below its file."""
        return self.target.address(key)

    def _keep(self, key: str, content: Content) -> None:
        with self._lock:
            self._files[key] = content
            while sum(len(c.data) for c in self._files.values()) > KEPT_BYTES:
                self._files.popitem(last=False)


def file_key(key: str) -> str:
    """The key of the file that a frame is of; of anything else itself."""
    found = _FRAME.fullmatch(key)
    return found[1] if found else key
