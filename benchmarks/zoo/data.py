"""Real images: Fashion-MNIST from Debian's `dataset-fashion-mnist`, padded to 32x32.

apt-get install dataset-fashion-mnist
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FOLDER = Path("/usr/share/datasets/fashion-mnist")
SIZE = 32
#: The training file's images: generators learn from the first part; the fits' real negatives and
#: the baselines come from the second. Tests use the test file alone.
GENERATORS, NEGATIVES = slice(0, 40_000), slice(40_000, 60_000)


@cache
def _file(name: str) -> Tensor:
    path = FOLDER / f"{name}-images-idx3-ubyte.gz"
    if not path.exists():
        raise SystemExit(f"{path} is missing: apt-get install dataset-fashion-mnist.")
    with gzip.open(path) as file:
        raw = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)
    return F.pad(torch.from_numpy(raw.copy()), (2, 2, 2, 2))


def fashion(part: str, count: int | None = None) -> Tensor:
    """(count, 1, 32, 32) in [0, 1]; part is "generators", "negatives" or "test"."""
    if part == "test":
        chosen = _file("t10k")
    else:
        chosen = _file("train")[{"generators": GENERATORS, "negatives": NEGATIVES}[part]]
    return chosen[:count].float() / 255
