"""Seeds of a fit: one stream for each purpose, so that no draw serves two of them."""

from __future__ import annotations

from typing import Literal
from zlib import crc32

import numpy as np

Stream = Literal[
    "anchor",
    "own",
    "own rows",
    "own augmented",
    "own recompressed",
    "own lossy",
    "foreign split",
    "foreign order",
    "foreign widened",
    "foreign widened for pixels",
    "foreign augmented",
    "near misses",
    "student",
    "relatives: fine-tune",
    "relatives: student",
    "detector",
    "lossy calibration",
    "lossy test",
    "encoder",
    "witness foreign",
    "witness relatives",
    "witness order",
    "witness in place",
    "witness moved",
    "witness sieve",
    "witness null",
    "witness test",
    "tail",
    "champion",
]


def stream(seed: int, purpose: Stream, number: int = 0) -> int:
    """The seed of one purpose of the fit with `seed`, 32 bits; `number` tells several apart."""
    key = (crc32(purpose.encode()), number)
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])
