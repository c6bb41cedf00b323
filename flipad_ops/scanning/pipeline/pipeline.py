"""List, look up, fetch and decode as overlapping stages, in threads and processes.

The consumer gets results in listing order, whatever order they were completed in. Memory is
bounded twice: `window` objects may be under way, and `budget` bytes of fetched content.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from flipad_ops.common.errors import (
    FlipadError,
    ImageError,
    ImageTooLarge,
    ObjectArchived,
    ObjectGone,
    TargetError,
)
from flipad_ops.samples.decoder import Decoded, Decoder
from flipad_ops.scanning.ledger.ledger import Known
from flipad_ops.scanning.ledger.lookup import Kept, looked_up
from flipad_ops.scanning.pipeline.budget import Budget
from flipad_ops.storage.selection import Picked
from flipad_ops.storage.target import Content, Item, Target

#: Images sent to a decoder at a time.
CHUNK, CHUNK_BYTES = 16, 4_000_000
#: Seconds a decoder waits for company for its first image: waking a process for each costs more.
LINGER = 0.01
#: Seconds that objects have to wait for a decoder without pause before the next one is started; the
#: first may take longer, as it loads what it needs.
BUSY, LOADING = 0.25, 1.0
#: Bytes that an object without a stated size may have at first.
UNSTATED = 1_000_000
#: Neither damage nor refusal: what is not there to be read is skipped.
AWAY = (ObjectArchived, ObjectGone)


@dataclass(frozen=True, eq=False)
class Fetched:
    """One object on its way: read, and decoded unless `outcome` says why not."""

    position: int
    target: Target
    item: Item
    outcome: str = ""
    reason: str = ""
    sha256: str = ""
    decoded: Decoded | None = None


@dataclass(frozen=True)
class Plumbing:
    """Sizes of the pipeline.

    Parameters
    ----------
    fetchers : int
        Threads that read.
    window : int
        Objects under way at most.
    max_bytes : int
        Larger objects are skipped unread.
    budget : int
        Bytes fetched and not yet decoded at most.
    """

    fetchers: int
    window: int
    max_bytes: int
    budget: int = 256_000_000


class Pipeline:
    """Iterate to get `Kept` and `Fetched`; use as a context manager.

    Parameters
    ----------
    picked : iterable of (Target, Item)
    known : Known or None
        Earlier rows; closed by the pipeline.
    decoders : sequence of Decoder
        At most in use: the first at once, each further one when images have waited for BUSY.
    """

    def __init__(
        self,
        picked: Iterable[Picked],
        known: Known | None,
        decoders: list[Decoder],
        plumbing: Plumbing,
    ) -> None:
        self.listing_error: FlipadError | None = None
        self._picked, self._known = picked, known
        self._decoders, self._plumbing = decoders, plumbing
        self._budget = Budget(plumbing.budget)
        self._slots = Budget(plumbing.window)
        self._closing = threading.Event()
        self._crash: BaseException | None = None
        self._to_fetch: queue.SimpleQueue[tuple[int, int, Target, Item] | None] = (
            queue.SimpleQueue()
        )
        self._to_decode: queue.SimpleQueue[tuple[int, Fetched, bytes, int] | None] = (
            queue.SimpleQueue()
        )
        self._out: queue.SimpleQueue[list[tuple[int, Fetched | Kept | None]]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Pipeline:
        for job in (self._feed, *[self._fetch] * self._plumbing.fetchers, self._decode):
            self._start(job)
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._budget.open()
        self._slots.open()
        for _ in range(self._plumbing.fetchers):
            self._to_fetch.put(None)
        for _ in self._decoders:
            self._to_decode.put(None)
        for decoder in self._decoders:
            if error[0] is not None:
                decoder.close()  # in the middle of an image, if need be
        # Daemons: one that hangs in a dead connection does not keep the scan from ending.
        deadline = time.monotonic() + 5
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        for decoder in self._decoders:
            decoder.close()

    def results(self, stop: Callable[[], bool]) -> Iterator[Fetched | Kept | None]:
        """In listing order; None now and then, so that the caller can look around."""
        early: dict[int, Fetched | Kept] = {}
        total, following = -1, 0
        while following != total:
            if stop():
                return
            try:
                batch = self._out.get(timeout=0.1)
            except queue.Empty:
                yield None
                continue
            if self._crash is not None:
                raise self._crash
            for number, result in batch:
                if result is None:
                    total = number
                else:
                    early[number] = result
            free = 0
            while following in early:
                if stop():  # many may be ready at once
                    return
                yield early.pop(following)
                following += 1
                free += 1
                if free == CHUNK or following not in early:  # one by one, each would wake the feed
                    self._slots.give(free)
                    free = 0

    def _start(self, job: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            # An error of ours (decoders that an interruption closed raise too): wake the consumer.
            if not self._closing.is_set():
                self._crash = error
                self._out.put([(-1, None)])

    def _feed(self) -> None:
        number = 0
        try:
            for part in looked_up(self._picked, self._known):
                if self._closing.is_set():
                    return
                if part.kept.keys:
                    self._slots.take(1)
                    self._out.put([(number, part.kept)])
                    number += 1
                for position, item in part.new:
                    self._slots.take(1)
                    self._to_fetch.put((number, position, part.target, item))
                    number += 1
        except TargetError as error:
            self.listing_error = error
        self._out.put([(number, None)])

    def _fetch(self) -> None:
        limit = self._plumbing.max_bytes
        while (task := self._to_fetch.get()) is not None and not self._closing.is_set():
            number, position, target, item = task
            if item.size > limit:
                reason = f"{item.size} bytes, over the limit of {limit}."
                self._out.put([(number, Fetched(position, target, item, "skipped", reason))])
                continue
            try:
                content, held = self._read(target, item)
            except (ImageError, TargetError) as error:
                lost = isinstance(error, TargetError) and not isinstance(error, AWAY)
                outcome = "failed" if lost else "skipped"
                self._out.put([(number, Fetched(position, target, item, outcome, str(error)))])
                continue
            now = Item(item.key, len(content.data), item.modified, content.etag)
            digest = hashlib.sha256(content.data).hexdigest()
            fetched = Fetched(position, target, now, sha256=digest)
            self._to_decode.put((number, fetched, content.data, held))

    def _read(self, target: Target, item: Item) -> tuple[Content, int]:
        """An object, and the bytes of the budget that it holds; stated sizes are not believed."""
        limit = self._plumbing.max_bytes
        most = min(item.size or UNSTATED, limit)
        while True:
            held = self._budget.take(most)
            try:
                return target.read(item, most), held
            except ImageTooLarge as error:
                self._budget.give(held)
                if most == limit:
                    raise
                if error.size > limit:
                    told = f"{error.size} bytes now, over the limit of {limit}."
                    raise ImageTooLarge(told) from error
                most = error.size if error.size > most else limit
            except BaseException:
                self._budget.give(held)
                raise

    def _decode(self, place: int = 0) -> None:
        decoder, spare = self._decoders[place], place + 1 < len(self._decoders)
        if self._known is None:  # else perhaps nothing has changed
            decoder.start()
        idle = time.monotonic() + LOADING
        while (first := self._to_decode.get()) is not None and not self._closing.is_set():
            waiting = self._to_decode.qsize()
            if not waiting:
                idle = time.monotonic()
            elif spare and time.monotonic() - idle > BUSY:
                spare = False
                self._start(partial(self._decode, place + 1))
            if waiting < CHUNK - 1:
                time.sleep(LINGER)
            chunk, size = [first], len(first[2])
            with suppress(queue.Empty):
                while len(chunk) < CHUNK and size < CHUNK_BYTES:
                    more = self._to_decode.get_nowait()
                    if more is None:
                        self._to_decode.put(None)
                        break
                    chunk.append(more)
                    size += len(more[2])
            replies = decoder.decode([data for _, _, data, _ in chunk])
            done: list[tuple[int, Fetched | Kept | None]] = []
            for (number, fetched, _, held), decoded in zip(chunk, replies, strict=True):
                self._budget.give(held)
                outcome = "failed" if decoded.died else ""
                whole = Fetched(
                    fetched.position, fetched.target, fetched.item, outcome, decoded.died,
                    fetched.sha256, decoded,
                )  # fmt: skip
                done.append((number, whole))
            self._out.put(done)  # one by one, each would wake the consumer for itself
