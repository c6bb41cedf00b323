"""What docs/security.md names as code or test of a defence is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PLACES = sorted(
    set(re.findall(r"`((?:flipad_ops|registry_hooks|tests|deploy)/[\w./-]+)(?:::(\w+))?`", TEXT))
)


@pytest.mark.parametrize(("path", "test"), PLACES)
def test_the_place_exists(path: str, test: str) -> None:
    assert (ROOT / path).is_file()
    if test:
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_row_of_a_defence_names_its_code() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and line.count("|") == 5]
    rows = [row for row in rows if not row.startswith("| attempt")]
    assert len(rows) >= 30
    assert all("`" in row.split("|")[3] for row in rows)
