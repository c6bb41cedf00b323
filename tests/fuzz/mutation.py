"""Edits of a valid input: bits flipped, parts cut, inserted or repeated, values swapped."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

#: What a value of JSON, TOML, YAML or CSV is exchanged for.
VALUES = (b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"9" * 40, b"9" * 5000, b'""', b"[]",
          b"{}", b'"\\u0000"', b'"\\ud800"', b"2026-13-45", b"1979-05-27T07:32:00", b"-", b"\xb2",
          b"[" * 2000, b'"a' + b"b" * 300 + b'"')  # fmt: skip
KINDS = ("flip", "cut", "insert", "repeat", "value", "value")
_VALUE = re.compile(rb'"[^"\n]*"|-?\d[\d.eE+-]*|\b(?:true|false|null)\b')


@dataclass(frozen=True)
class Edit:
    """One change: of a kind, at a share `at` of the length, `size` bytes long, with `number`."""

    kind: str
    at: float
    size: int
    number: int

    def __call__(self, data: bytes) -> bytes:
        """`data` with the change made."""
        place = int(self.at * len(data))
        before, part, after = data[:place], data[place : place + self.size], data[place:]
        if self.kind == "flip" and part:
            return before + bytes([part[0] ^ (1 << self.number % 8)]) + after[1:]
        if self.kind == "cut":
            return before + after[self.size :]
        if self.kind == "repeat":
            return before + part * (1 + self.number % 9) + after
        if self.kind == "value":
            found = [match.span() for match in _VALUE.finditer(data[:100_000])]
            if not found:
                return data
            start, end = found[int(self.at * len(found))]
            return data[:start] + VALUES[self.number % len(VALUES)] + data[end:]
        return before + self.number.to_bytes(4, "little")[: self.size] + after


def edited(seed: bytes, edits: Sequence[Edit]) -> bytes:
    """A seed with the edits made one after the other."""
    for edit in edits:
        seed = edit(seed)
    return seed


def random_edit(source: random.Random) -> Edit:
    """For fuzzers that bring their own randomness."""
    return Edit(
        source.choice(KINDS), source.random(), source.randint(1, 16), source.getrandbits(32)
    )


EDITS = st.lists(
    st.builds(
        Edit, st.sampled_from(KINDS), st.floats(0, 1, exclude_max=True), st.integers(1, 16),
        st.integers(0, 2**32 - 1),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
