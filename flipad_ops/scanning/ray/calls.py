"""The two kinds of calls that workers get, and what becomes of one that ends its worker."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.scanning.pipeline.lanes import Members
from flipad_ops.scanning.ray.ray_worker import Reading
from flipad_ops.storage.target import Item, Target

T = TypeVar("T")

#: A call that keeps ending its workers is cut into so many at once.
PARTS = 8
ENDED_READERS = "Every worker that read it died."
ENDED_SCORERS = "Every worker that scored it died."
LOST = "Its pixels were lost with a machine, and it could not be read again unchanged."


class Call(Protocol):
    """Work for one worker.

    Attributes
    ----------
    method : {"read", "score"}
    deaths : int
        Workers that died over it.
    """

    method: str
    deaths: int

    def send(self, actor: Any) -> Any:
        """Start it on an actor; the reference whose value `done` takes."""
        ...

    def done(self, value: Any) -> None:
        """Take the result."""
        ...

    def split(self) -> Sequence[Call]:
        """Parts of it; none when it is one object."""
        ...

    def fail(self) -> None:
        """Give the one object up."""
        ...


class Pixels:
    """Decoded images of one `read` in the object store.

    Parameters
    ----------
    reference : ObjectRef
    release : callable
        Called when nobody wants them any more.
    """

    def __init__(self, reference: Any, release: Callable[[], None]) -> None:
        self.reference = reference
        weakref.finalize(self, release)


@dataclass(eq=False)
class Entry:
    """One listed object on its way.

    Parameters
    ----------
    reading : Reading or None
        Once read.
    pixels : Pixels or None
        Where its pixels are, if it has any.
    """

    position: int
    target: Target
    item: Item
    reading: Reading | None = None
    pixels: Pixels | None = None


@dataclass(eq=False)
class ReadCall:
    """Fetch and decode neighbours in the listing, all of one target."""

    entries: Sequence[Entry]
    hold: Callable[[int], Callable[[], None]]
    after: Callable[[], None] = lambda: None
    deaths: int = 0
    method: str = field(default="read", init=False)
    _pixels: Any = field(default=None, init=False)

    def send(self, actor: Any) -> Any:
        """Two results: the readings for the driver, the pixels for the store."""
        read = actor.read.options(num_returns=2, concurrency_group="read")
        items = [entry.item for entry in self.entries]
        readings, self._pixels = read.remote(self.entries[0].target, items)
        return readings

    def done(self, value: Sequence[Reading]) -> None:
        """Note readings and where the pixels are."""
        pixels = Pixels(self._pixels, self.hold(len(self.entries)))
        self._pixels = None
        for entry, reading in zip(self.entries, value, strict=True):
            entry.reading = reading
            if any(isinstance(fit, int) for fit in reading.fits):
                entry.pixels = pixels
        self.after()

    def split(self) -> Sequence[Call]:
        """Parts with an entry at least."""
        return [ReadCall(part, self.hold, self.after) for part in _parts(self.entries)]

    def fail(self) -> None:
        """A row instead of an end without end."""
        for entry in self.entries:
            entry.reading = Reading(entry.item, "failed", ENDED_READERS)
        self.after()


@dataclass(eq=False)
class Image:
    """One image of a batch, and the rows that wait for its scores.

    Parameters
    ----------
    row : int
        Its place among its entry's pixels.
    members : sequence of lists of rows
        Of each lane of the group; none where that lane has the score.
    """

    entry: Entry
    row: int
    sha256: str
    members: Sequence[Members]


class ScoresEnd(Protocol):
    """Where scores go: a `RemoteGroup`."""

    number: int

    def scored(self, images: Sequence[Image], batches: Sequence[ScoreBatch]) -> None:
        """Take the scores, a batch for each lane."""
        ...

    def lost(self, images: Sequence[Image], reason: str) -> None:
        """Take it that there are none."""
        ...


@dataclass(eq=False)
class ScoreCall:
    """Score one batch of a group of lanes."""

    group: ScoresEnd
    images: Sequence[Image]
    deaths: int = 0
    #: How often its pixels were gone.
    losses: int = 0
    method: str = field(default="score", init=False)

    def send(self, actor: Any) -> Any:
        """The pixels go from store to store, past the driver."""
        sources: dict[Pixels, int] = {}
        picks = [
            (sources.setdefault(_pixels(image), len(sources)), image.row) for image in self.images
        ]
        wanted = np.array([[bool(rows) for rows in image.members] for image in self.images]).T
        score = actor.score.options(concurrency_group="score")
        references = (source.reference for source in sources)
        return score.remote(self.group.number, picks, wanted, *references)

    def done(self, value: Sequence[ScoreBatch]) -> None:
        """Hand the scores on."""
        self.group.scored(self.images, value)

    def split(self) -> Sequence[Call]:
        """Parts with an image at least."""
        return [ScoreCall(self.group, part) for part in _parts(self.images)]

    def fail(self) -> None:
        """Rows that say so."""
        self.group.lost(self.images, ENDED_SCORERS)


def _pixels(image: Image) -> Pixels:
    assert image.entry.pixels is not None
    return image.entry.pixels


def _parts(units: Sequence[T]) -> list[Sequence[T]]:
    if len(units) < 2:
        return []
    size = -(-len(units) // PARTS)
    return [units[start : start + size] for start in range(0, len(units), size)]
