"""Seeds of a fit: one stream for each purpose, so that no latent serves two of them."""

from __future__ import annotations

from typing import Literal, get_args

Stream = Literal[
    "anchor",
    "own",
    "widened",
    "near misses",
    "own altered",
    "own recompressed",
    "foreign altered",
    "order of unrelated",
    "own calibration altered",
    "own augmented",
    "foreign augmented",
    "widened unrelated",
    "lossy calibration",
    "lossy test",
    "own lossy",
    "own rows",
    "student",
    "split",
    "detector",
]
_OLD = dict(
    zip(get_args(Stream), (1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11, 11, 12, 13, 14, 100, None, None))
)


def stream(seed: int, purpose: Stream, number: int = 0) -> int:
    k = _OLD[purpose]
    return seed + number if k is None else seed * 1000 + k + number
