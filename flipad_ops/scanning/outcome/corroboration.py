"""Files that name a registered checkpoint: it supports a finding, and is never one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from flipad_ops.attribution.scorer import AttributorCard
from flipad_ops.provenance import Stated
from flipad_ops.scanning.decisions.records import Row


@dataclass(frozen=True)
class Named:
    """An object that no attributor attributes, although its file names what one was fitted for."""

    row: Row
    words: str


def corroboration(stated: Stated, cards: Mapping[str, AttributorCard]) -> str:
    """Which checkpoint a file names, and which registered generator has it; "" for none."""
    for card in cards.values() if stated.hashes else ():
        if digits := stated.names(card.checkpoints):
            known = f"{card.generator_name}/{card.generator_version}"
            return f"the file names checkpoint {digits}, which is registered as {known}"
    return ""


def file_says(row: Row, cards: Mapping[str, AttributorCard]) -> str:
    """What a file says of its making, and which registered checkpoint that is, for people."""
    words = corroboration(row.stated, cards)
    return "; ".join(filter(None, (words, row.stated.said())))


def named_alone(rows: Iterable[Row], cards: Mapping[str, AttributorCard]) -> Iterator[Named]:
    """What their files alone connect with a generator; rows of one object are neighbours."""
    for _, several in groupby(rows, key=lambda row: (row.target, row.key)):
        whole = list(several)
        words = corroboration(whole[0].stated, cards)
        if words and not any(row.attributed for row in whole):
            yield Named(whole[0], words)
