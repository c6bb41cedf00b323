"""Foreign images for a fit: named sources, split without leaking from training to test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
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
    """A source cut in three. `grouped` is False when related images may sit in two parts."""

    train: Tensor
    calibration: Tensor
    test: Tensor
    grouped: bool
    sibling: bool = False
    generated: bool = False


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
    return {
        name: _split(source, caps[name], extra[name], stream(seed, "foreign split", index))
        for index, (name, source) in enumerate(sorted(sources.items()))
    }


def _fair_shares(
    sizes: dict[str, int], maximum: int, least: int = MIN_PER_SOURCE
) -> dict[str, int]:
    """Give every source the same, and what small ones leave over to the larger ones."""
    left, shares = maximum, {}
    for position, name in enumerate(sorted(sizes, key=lambda n: (sizes[n], n))):
        shares[name] = max(least, min(sizes[name], left // (len(sizes) - position)))
        left -= shares[name]
    return shares


def _split(source: ForeignImages, cap: int, extra: int, seed: int) -> ForeignSplit:
    drawn = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    order, spare = drawn[:cap], drawn[cap:].tolist()
    bounds = (SHARES[0] * len(order), (SHARES[0] + SHARES[1]) * len(order))
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    groups = source.groups
    grouped = groups is not None and len(set(groups)) >= len(SHARES)
    if grouped and groups is not None:
        members: dict[str, list[int]] = {}
        for index in order.tolist():
            members.setdefault(groups[index], []).append(index)
        # Largest first into the part that lacks most keeps the shares close.
        wanted = [share * len(order) for share in SHARES]
        for group in sorted(members.values(), key=len, reverse=True):
            part = max(range(3), key=lambda k: wanted[k] - len(parts[k]))
            parts[part].extend(group)
        grouped = all(parts)
    if not grouped:
        first, second = int(bounds[0]), int(bounds[1])
        rows = order.tolist()
        parts = (rows[:first], rows[first:second], rows[second:])
    if groups is not None:
        taken = {groups[index] for index in (*parts[0], *parts[2])}
        spare = [index for index in spare if groups[index] not in taken]
    parts[1].extend(spare[:extra])
    train, calibration, test = (source.images[part] for part in parts)
    return ForeignSplit(
        train, calibration, test, grouped or groups is None, source.sibling, source.generated
    )
