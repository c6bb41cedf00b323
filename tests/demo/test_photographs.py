"""Whole photographs for the fit and patches of others for the scan."""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flipad_ops.demo.photographs import (
    FOR_FIT,
    FOR_SCAN,
    ORIGIN,
    scanned_patches,
    write_negatives,
)

pytestmark = pytest.mark.skipif(
    find_spec("skimage") is None, reason="requirements-demo.lock is not installed"
)


def test_no_photograph_serves_both() -> None:
    fit, scan = ({name for names in each.values() for name in names.split()}
                 for each in (FOR_FIT, FOR_SCAN))  # fmt: skip
    assert not fit & scan
    assert (len(fit), len(scan)) == (11, 5)


def test_negatives_are_grouped_by_photograph(tmp_path: Path) -> None:
    write_negatives(tmp_path, 3, 64, 0)
    files = sorted(path.name for path in tmp_path.iterdir())
    origins = Counter(re.search(ORIGIN, name)[0] for name in files)  # type: ignore[index]
    assert set(origins.values()) == {3}
    assert len(origins) == 11
    with Image.open(tmp_path / files[0]) as patch:
        assert (patch.mode, patch.size) == ("RGB", (64, 64))


def test_patches_repeat_by_seed_and_vary() -> None:
    first, again, other = (np.stack(scanned_patches(10, 64, seed)) for seed in (1, 1, 2))
    assert first.shape == (10, 64, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std(axis=0).mean() > 25
