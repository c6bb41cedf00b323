"""Foreign images for a fit: named sources, split without leaking from training to test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.seeds import stream
from flipad_ops.common.errors import DataError, NegativesTooFew

#: The stratum of `flipad_ops.attribution.relatives`; no source may be called so, nor "own".
SELF_MADE = "self-made relatives"
RESERVED = ("own", SELF_MADE)
#: Shares of a source for training, null calibration and test.
SHARES = (0.5, 0.25, 0.25)
#: A source with fewer images than this cannot fill its three parts.
MIN_PER_SOURCE = 12


@dataclass(frozen=True, eq=False)
class ForeignImages:
    """One source of foreign images, e.g. a folder or another generator version.

    Parameters
    ----------
    images : Tensor, float32, (n, *sample_shape) in [0, 1]
    groups : sequence of str, optional
        Which images belong together (patches of one photograph); a group is never split.
    sibling : bool
        Whether they are samples of another version of the same model.
    generated : bool
        Whether they are samples of a generator; so are a sibling's.
    """

    images: Tensor
    groups: Sequence[str] | None = None
    sibling: bool = False
    generated: bool = False

    def __post_init__(self) -> None:
        if self.groups is not None and len(self.groups) != len(self.images):
            raise DataError(f"{len(self.groups)} groups were given for {len(self.images)} images.")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class ForeignSplit:
    """A source cut in three.

    Parameters
    ----------
    train, calibration, test : Tensor, float32, (n, *sample_shape)
        In random order.
    grouped : bool
        False when images of one origin may sit in two parts.
    sibling : bool
    calibration_origins, test_origins : (n,) int64
        Equal numbers for images of one origin; no number is another source's as well.
    origins : int
        In all three.
    """

    train: Tensor
    calibration: Tensor
    test: Tensor
    grouped: bool
    sibling: bool
    generated: bool
    calibration_origins: NDArray[np.int64]
    test_origins: NDArray[np.int64]
    origins: int


def held_out_origins(splits: Mapping[str, ForeignSplit]) -> dict[str, NDArray[np.int64]]:
    """Whose the test images of each source are, in their order."""
    return {name: split.test_origins for name, split in splits.items()}


def gather_foreign(
    foreign: Mapping[str, ForeignImages], shape: tuple[int, ...], settings: FitSettings
) -> dict[str, ForeignSplit]:
    """Check the sources of a fit and cut them in three as `settings` say.

    Raises
    ------
    DataError
        Images of another shape than `shape` or another range, or a source of a reserved name.
    NegativesTooFew
    """
    for name in RESERVED:
        if name in foreign:
            raise DataError(f"A source of foreign images cannot be called {name!r}.")
    for name, source in foreign.items():
        images = source.images
        if tuple(images.shape[1:]) != shape:
            raise DataError(
                f"Images of source {name!r} have shape {list(images.shape[1:])}; the generator "
                f"makes {list(shape)}."
            )
        if len(images) and not bool((images.min() >= 0) & (images.max() <= 1)):
            raise DataError(f"Images of source {name!r} are not pixels between 0 and 1.")
    return split_foreign(
        foreign,
        minimum=settings.min_negatives,
        maximum=settings.max_negatives,
        seed=settings.seed,
        more=settings.more_null,
    )


def split_foreign(
    sources: Mapping[str, ForeignImages], *, minimum: int, maximum: int, seed: int, more: int = 0
) -> dict[str, ForeignSplit]:
    """Cap every source at its fair share of `maximum` and cut it in three.

    Of what a source has beyond that, its fair share of `more` goes to null calibration: images
    there are cheap, and their number bounds the smallest p-value.

    Raises
    ------
    NegativesTooFew
        Fewer than `minimum` images in all, or a source with fewer than 12.
    """
    total = sum(len(source) for source in sources.values())
    if total < minimum:
        raise NegativesTooFew(
            f"A fit needs at least {minimum} foreign images; {total} were given: name a folder "
            "with --negatives or register other versions."
        )
    small = sorted(name for name, source in sources.items() if len(source) < MIN_PER_SOURCE)
    if small:
        raise NegativesTooFew(
            f"Source {small[0]!r} has {len(sources[small[0]])} foreign images; each source needs "
            f"at least {MIN_PER_SOURCE}."
        )
    caps = _fair_shares({name: len(source) for name, source in sources.items()}, maximum)
    left = {name: len(source) - caps[name] for name, source in sources.items()}
    extra = _fair_shares(left, more, 0)
    splits, first = {}, 0
    for index, (name, source) in enumerate(sorted(sources.items())):
        origins = _origins(source) + first
        first += len(source)
        drawn = stream(seed, "foreign split", index)
        splits[name] = _split(source, origins, caps[name], extra[name], drawn)
    return splits


def _fair_shares(
    sizes: dict[str, int], maximum: int, least: int = MIN_PER_SOURCE
) -> dict[str, int]:
    """Give every source the same, and what small ones leave over to the larger ones."""
    left, shares = maximum, {}
    for position, name in enumerate(sorted(sizes, key=lambda n: (sizes[n], n))):
        shares[name] = max(least, min(sizes[name], left // (len(sizes) - position)))
        left -= shares[name]
    return shares


def _origins(source: ForeignImages) -> NDArray[np.int64]:
    """(n,) numbers below n, equal for images of one origin."""
    if source.groups is None:
        return np.arange(len(source))
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in source.groups], np.int64)


def _split(
    source: ForeignImages, origins: NDArray[np.int64], cap: int, extra: int, seed: int
) -> ForeignSplit:
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(source), generator=draw).numpy()
    order, spare = drawn[:cap], drawn[cap:]
    parts = [] if source.groups is None else _by_origin(order, origins, draw)
    grouped = source.groups is None or all(map(len, parts))
    if not (parts and grouped):
        first, second = (int(share * len(order)) for share in (SHARES[0], SHARES[0] + SHARES[1]))
        parts = [order[:first], order[first:second], order[second:]]
    if source.groups is not None:
        taken = np.concatenate([origins[parts[0]], origins[parts[2]]])
        spare = spare[~np.isin(origins[spare], taken)]
    # Whoever takes the first few of a part is to have them of many origins; calibration comes last,
    # so that more of it changes nothing else.
    for number, more in ((0, 0), (2, 0), (1, extra)):
        part = np.concatenate([parts[number], spare[:more]])
        parts[number] = part[torch.randperm(len(part), generator=draw).numpy()]
    train, calibration, test = (source.images[torch.from_numpy(part)] for part in parts)
    return ForeignSplit(
        train,
        calibration,
        test,
        grouped,
        source.sibling,
        source.generated,
        origins[parts[1]],
        origins[parts[2]],
        len(np.unique(origins[np.concatenate(parts)])),
    )


def _by_origin(
    order: NDArray[np.int64], origins: NDArray[np.int64], draw: torch.Generator
) -> list[NDArray[np.int64]]:
    """Three parts that share no origin: these, in random order, each into the part that then lacks
    most."""
    _, at, sizes = np.unique(origins[order], return_inverse=True, return_counts=True)
    wanted, part = [share * len(order) for share in SHARES], np.zeros(len(sizes), np.int64)
    empty = set(range(len(SHARES)))
    for done, origin in enumerate(torch.randperm(len(sizes), generator=draw).tolist()):
        last = len(sizes) - done <= len(empty)
        into = max(empty if last else range(len(SHARES)), key=lambda k: wanted[k])
        part[origin] = into
        wanted[into] -= sizes[origin]
        empty.discard(into)
    return [order[part[at] == number] for number in range(len(SHARES))]
