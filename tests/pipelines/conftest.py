"""The stores and tiny generators of tests/registry, and a folder of foreign pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.registry.conftest import (  # noqa: F401
    _one_thread,
    empty_database,
    fitted,
    fitted_database,
    pytest_collection_modifyitems,
    registered,
    store,
    tiny_database,
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six 96x96 pictures of smooth noise: 36 patches of 16x16 each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        small = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        small.resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder
