"""Which listed objects a scan reads; decided on the listing, before any byte is fetched."""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any

from flipad_ops.common.errors import TargetError, UsageError
from flipad_ops.storage.globs import compile_globs, matches
from flipad_ops.storage.target import Item, Target

Picked = tuple[Target, Item]

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


@dataclass(frozen=True)
class Selection:
    """Filters in the order they apply.

    Parameters
    ----------
    include, exclude : tuple of str
        Globs over keys, see `globs`; no `include` means everything.
    since : str
        Only objects modified since: an age (`30m`, `12h`, `7d`, `2w`) or an ISO date or time.
    shard : str
        `i/N`: the i-th of N parts (from 1), by a hash of target and key, so that an object
        stays in its part whatever else is listed.
    sample : int or None
        So many objects drawn from all listed ones by `seed`.
    limit : int or None
        The first so many.
    frames : int or None
        So many frames of each animation, which is read for that; None for the first alone, and
        nothing is read.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: str = ""
    shard: str = ""
    sample: int | None = None
    seed: int = 0
    limit: int | None = None
    frames: int | None = None

    def __post_init__(self) -> None:
        parse_shard(self.shard)
        parse_since(self.since)
        for name, value in (("--sample", self.sample), ("--limit", self.limit),
                            ("--frames", self.frames)):  # fmt: skip
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1.")

    def describe(self) -> dict[str, Any]:
        """What was asked for, without the defaults; JSON-ready."""
        fields = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}
        if self.sample is None:
            fields.pop("seed")
        return {name: value for name, value in fields.items() if value not in (None, "", [])}

    def pick(
        self, targets: Sequence[Target], listed: Counter[str] | None = None
    ) -> Iterator[Picked]:
        """The chosen objects in listing order.

        Raises TargetError at the end, after all that could be listed, where something could not.

        Parameters
        ----------
        targets : sequence of Target
        listed : Counter, optional
            "objects" grows by those that pass the filters, before a sample is drawn of them.
        """
        broken = list[str]()
        chosen = self._filtered(_each(targets, broken))
        if listed is not None:
            chosen = _counted(chosen, listed)
        if self.sample is not None:
            chosen = iter(_reservoir(chosen, self.sample, self.seed))
        yield from islice(chosen, self.limit)
        if broken:
            raise TargetError(" ".join(broken))

    def _filtered(self, listed: Iterable[Picked]) -> Iterator[Picked]:
        include, exclude = compile_globs(self.include), compile_globs(self.exclude)
        since, shard = parse_since(self.since), parse_shard(self.shard)
        for target, item in listed:
            if include and not matches(item.key, include):
                continue
            if matches(item.key, exclude) or item.modified < since:
                continue
            if shard is not None and _part(f"{target.uri}\n{item.key}", shard[1]) != shard[0] - 1:
                continue
            yield from ((target, part) for part in target.parts(item))


def in_chunks(picked: Iterable[Picked], most: int) -> Iterator[tuple[Target, list[Item]]]:
    """Runs of items of one target, the first one small so that work begins at once."""
    size, items = min(16, most), list[Item]()
    current: Target | None = None
    try:
        for target, item in picked:
            if items and current is not None and (target is not current or len(items) >= size):
                yield current, items
                items, size = [], most
            current = target
            items.append(item)
    except TargetError:
        if items and current is not None:  # what was listed before is scanned all the same
            yield current, items
        raise
    if items and current is not None:
        yield current, items


def parse_since(text: str, now: float | None = None) -> float:
    """`7d`, `2026-11-01` or an ISO time to seconds since the epoch; "" to minus infinity.

    Raises
    ------
    UsageError
    """
    if not text:
        return float("-inf")
    age = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text.strip())
    if age:
        return (time.time() if now is None else now) - float(age[1]) * _UNITS[age[2]]
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(f"{text!r} is neither an age such as 7d nor an ISO date.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_size(text: str) -> int:
    """`50MB`, `200k`, `1.5G` or plain bytes to bytes.

    Raises
    ------
    UsageError
    """
    units = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?)b?", text.strip().lower())
    size = int(float(found[1]) * units[found[2]]) if found else 0
    if size < 1:
        raise UsageError(f"{text!r} is not a size such as 50MB.")
    return size


def parse_shard(text: str) -> tuple[int, int] | None:
    """`2/8` to (2, 8); "" to None.

    Raises
    ------
    UsageError
    """
    if not text:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"{text!r} is not a shard such as 2/8 (from 1/8 to 8/8).")
    return int(found[1]), int(found[2])


def _part(text: str, count: int) -> int:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count


def _each(targets: Sequence[Target], broken: list[str]) -> Iterator[Picked]:
    """What targets list; one whose listing fails keeps no other from being scanned."""
    for target in targets:
        try:
            for item in target.list():
                yield target, item
        except TargetError as error:
            broken.append(str(error))


def _counted(items: Iterable[Picked], listed: Counter[str]) -> Iterator[Picked]:
    for item in items:
        listed["objects"] += 1
        yield item


def _reservoir(items: Iterable[Picked], size: int, seed: int) -> list[Picked]:
    """A uniform sample in listing order, holding no more than the sample."""
    source = Random(seed)
    kept: list[tuple[int, Picked]] = []
    for index, item in enumerate(items):
        if index < size:
            kept.append((index, item))
        else:
            place = source.randrange(index + 1)
            if place < size:
                kept[place] = (index, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]
