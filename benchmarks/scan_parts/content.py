"""What lies in the bucket: leaks among patches of photographs and another generator's images."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmarks.scan_parts.sources import Source, every_place, samples, to_pixels
from flipad_ops.samples.png import encode_png

LEAKS = 20
#: Folder of the leaks, and how many foreign images lie among them.
MIXED, BESIDE = "mixed", 80


@dataclass(frozen=True)
class Content:
    """The bucket's images: of the foreign ones every second is the other generator's.

    Parameters
    ----------
    source : Source
    objects : int
    """

    source: Source
    objects: int

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """(key, 8-bit PNG) of every object."""
        photos = every_place(self.source.photographs(), self.source.size, seed=0)
        others = samples(self.source.other, seed=0)
        for index, image in enumerate(to_pixels(self.source.own.sample(LEAKS, seed=99))):
            yield self.key(index), encode_png(image)
        for index in range(LEAKS, self.objects):
            yield self.key(index), encode_png(next(photos if index % 2 else others))

    @staticmethod
    def key(index: int) -> str:
        """A folder for every thousand, and one in which the leaks lie among others."""
        if index < LEAKS:
            return f"{MIXED}/leak{index:02d}.png"
        kind = "photo" if index % 2 else "gan"
        folder = MIXED if index < LEAKS + BESIDE else f"lot{index // 1000:04d}"
        return f"{folder}/{index:07d}-{kind}.png"


def upload(store: Any, content: Content) -> None:
    """Put every object into an obstore store."""
    import obstore

    with ThreadPoolExecutor(8) as pool:
        objects = iter(content)
        while chunk := list(islice(objects, 1000)):
            list(pool.map(lambda pair: obstore.put(store, *pair), chunk))


def change(store: Any, content: Content, seed: int = 1) -> set[str]:
    """Replace five objects, delete two and add three; returns the keys a scan has to read."""
    import obstore

    last = content.objects - 1
    step = (last - LEAKS - BESIDE) // 6
    replaced = [content.key(last - n * step) for n in range(5)]
    added = [content.key(content.objects + n) for n in range(3)]
    images = every_place(content.source.photographs(), content.source.size, seed)
    for key in (*replaced, *added):
        obstore.put(store, key, encode_png(next(images)))
    for n in (1, 2):
        obstore.delete(store, content.key(last - n * step - 1))
    return {*replaced, *added}
