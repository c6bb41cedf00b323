"""One scan of files that say odd things of their making, in real decoding processes."""

from __future__ import annotations

import pytest

from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.bad_inputs.provenance_blocks import CASES
from tests.scanning.fakes import DarkIsOurs


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    folder = tmp_path_factory.mktemp("said")
    for number, (_, make, _) in enumerate(CASES):
        (folder / f"{number:03d}.png").write_bytes(make())
    outcome = run_scan(ScanPlan([open_target(str(folder))], workers=2), [DarkIsOurs()])
    assert outcome.complete
    found = [f.row for f in outcome.findings]
    return {row.key: row for row in [*found, *outcome.skipped, *outcome.failed]}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_the_image_is_scored_and_the_block_named(rows: dict[str, Row], number: int) -> None:
    _, _, words = CASES[number]
    row = rows[f"{number:03d}.png"]
    assert row.outcome == "scored", row.reason
    told = row.stated.said()
    assert words in told
    assert told.isprintable()
    assert len(told) < 2000
    if not words:
        assert row.stated.troubles == ()
