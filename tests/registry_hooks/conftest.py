"""A work table of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_hooks.table import WorkTable


@pytest.fixture
def work(tmp_path: Path) -> Iterator[WorkTable]:
    table = WorkTable(f"sqlite:///{tmp_path}/work.db")
    yield table
    table.close()
