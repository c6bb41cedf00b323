"""One scan of all nasty files, with real decoding processes and a good image behind them."""

from __future__ import annotations

import pytest

from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.bad_inputs.images import CASES, saved
from tests.scanning.fakes import DarkIsOurs


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    folder = tmp_path_factory.mktemp("nasty")
    for number, (_, make, _, _) in enumerate(CASES):
        (folder / f"{number:03d}.png").write_bytes(make())
    (folder / "zzz good.png").write_bytes(saved("PNG"))
    request = ScanPlan([open_target(str(folder))], workers=2, decode_seconds=20, max_skipped=1.0)
    outcome = run_scan(request, [DarkIsOurs()])
    assert outcome.complete
    found = [f.row for f in outcome.findings]
    return {row.key: row for row in [*found, *outcome.skipped, *outcome.failed]}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_outcome(rows: dict[str, Row], number: int) -> None:
    _, _, outcome, reason = CASES[number]
    row = rows[f"{number:03d}.png"]
    assert row.outcome == outcome, row
    assert reason in row.reason
    assert "Traceback" not in row.reason


def test_the_scan_went_on(rows: dict[str, Row]) -> None:
    assert rows["zzz good.png"].outcome == "scored"
    assert len(rows) == len(CASES) + 1
