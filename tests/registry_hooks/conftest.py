"""A work table of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_hooks.fit_jobs import FitQueue


@pytest.fixture
def work(tmp_path: Path) -> Iterator[FitQueue]:
    table = FitQueue(f"sqlite:///{tmp_path}/work.db")
    yield table
    table.close()
