"""The stores of tests/registry, and a work table of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_hooks.table import WorkTable
from tests.registry.conftest import (  # noqa: F401
    THIRD_PARTY,
    _one_thread,
    empty_database,
    fitted,
    fitted_database,
    registered,
    store,
    tiny_database,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "registry_hooks" in item.path.parts:
            for text in THIRD_PARTY:
                item.add_marker(pytest.mark.filterwarnings(text))


@pytest.fixture
def work(tmp_path: Path) -> Iterator[WorkTable]:
    table = WorkTable(f"sqlite:///{tmp_path}/work.db")
    yield table
    table.close()
