"""Every reader over its seeds and a small, fixed number of edits of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flipad_ops.common.errors import FlipadError, StateError
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP
from tests.fuzz.mutation import EDITS, Edit, edited
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import CUT, EXPECTED, TARGETS

#: Executions; a target's share of the time differs.
BUDGET = {"attributor": 60, "ledger": 60, "ignore-file": 60, "hooks-config": 100}


def read(name: str, data: bytes, folder: Path) -> bool:
    """Whether it was accepted; any error but the expected ones comes through."""
    try:
        TARGETS[name](data, folder)
    except (FlipadError, EXPECTED.get(name, FlipadError)):
        return False
    return True


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_raises_its_own_errors_only(name: str, tmp_path: Path) -> None:
    seeds = SEEDS[name](tmp_path)
    accepted = [read(name, seed, tmp_path) for seed in seeds]
    assert any(accepted)

    @settings(
        max_examples=BUDGET.get(name, 200), derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from(range(len(seeds))), EDITS)
    def go(number: int, edits: list[Edit]) -> None:
        read(name, edited(seeds[number], edits), tmp_path)

    go()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("hooks-config", b"[hooks.fit]\nrecipe = {}\n"),
        ("hooks-config", b"[hooks.fit]\nseed = {}\nfnr = {}\n"),
        ("hooks-config", b"[hooks.fit]\nsettings = 3\n"),
        ("hooks-config", b"[hooks]\nport = " + b"9" * 5000),
        ("ignore-file", b"- expires: 2026-13-45\n"),
        ("saved-scan", b'{"type": "image", "outcome": "scored"}\n'),
        ("saved-scan", b'{"type": "summary", "selection": []}\n'),
        ("delivery", b"Content-Length: \xb2\n" + CUT),
        ("delivery", f"{TIMESTAMP}: {'9' * 400}\n{ID}: d\n{SIGNATURE}: sign\n".encode() + CUT),
    ],
)  # fmt: skip
def test_what_raised_other_errors_once(name: str, data: bytes, tmp_path: Path) -> None:
    # A length that is no number is no delivery, without a word of what it is.
    assert not read(name, data, tmp_path) or name == "delivery"


def test_a_ledger_whose_fingerprint_is_no_json(tmp_path: Path) -> None:
    *_, full = SEEDS["ledger"](tmp_path)
    start = full.index(b'{"limit"')
    with pytest.raises(StateError):
        TARGETS["ledger"](full[:start] + b"]" + full[start + 1 :], tmp_path)
