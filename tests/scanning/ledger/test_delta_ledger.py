"""A Delta ledger: many writers, outages, and what is no ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.common.errors import StateError, UsageError
from flipad_ops.scanning.ledger.delta import delta_ledger as ledger
from flipad_ops.scanning.ledger.delta import delta_table as table
from flipad_ops.scanning.ledger.open_ledger import open_ledger
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage.selection import Selection
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.ledger.test_sqlite_ledger import scan
from tests.scanning.pipeline.test_pipeline import Counting, Slow, png


@pytest.fixture
def target() -> Slow:
    return Slow({f"{i:03d}.png": png(0.05 if i % 5 == 0 else 0.7, i) for i in range(40)})


@pytest.fixture
def state(tmp_path: Path) -> str:
    return f"delta://{tmp_path}/ledger"


def stored(state: str) -> list[dict[str, object]]:
    """All rows of the table, newest last."""
    found = DeltaTable(state.removeprefix("delta://")).to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: row["at"])


def test_rows_are_appended_and_the_newest_counts(target: Slow, state: str) -> None:
    scan(target, state, DarkIsOurs())
    assert sorted(str(row["key"]) for row in stored(state)) == list(target.objects)
    target.objects["001.png"] = png(0.05, 500)
    scan(target, state, DarkIsOurs())
    rows = stored(state)
    assert len(rows) == 41
    assert len({row["run"] for row in rows}) == 2
    assert rows[-1]["key"] == "001.png"
    assert rows[-1]["attributed"] is True
    target.reads.clear()
    (again,) = (row for row in scan(target, state, DarkIsOurs()).rows if row.key == "001.png")
    assert target.reads == []
    assert (again.score, again.sha256) == (rows[-1]["score"], rows[-1]["sha256"])


def test_shards_share_a_ledger_and_one_scan_decides_over_all(target: Slow, state: str) -> None:
    whole = scan(target, f"{state}-whole", DarkIsOurs())
    for shard in ("1/2", "2/2"):
        scan(target, state, DarkIsOurs(), selection=Selection(shard=shard))
    target.reads.clear()
    scorer = Counting()
    together = scan(target, state, scorer)
    assert target.reads == []
    assert scorer.batches == []
    assert together.rows == whole.rows


def test_content_scored_by_another_shard_is_not_scored_again(target: Slow, state: str) -> None:
    scan(target, state, DarkIsOurs())
    target.objects = {f"copy/{key}": data for key, data in target.objects.items()}
    scorer = Counting()
    assert scan(target, state, scorer).complete
    assert scorer.batches == []


class Outage(DarkIsOurs):
    """Puts a file in the place of the table at the `first` batch, the table back at the `last`."""

    def __init__(self, place: Path, first: int, last: int) -> None:
        super().__init__()
        self.place, self.away = place, place.with_name("away")
        self.first, self.last, self.batch = first, last, 0

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        self.batch += 1
        if self.batch == self.first:
            self.place.rename(self.away)
            self.place.touch()
        if self.batch == self.last:
            self.end()
        return super().score(pixels, residual)

    def end(self) -> None:
        self.place.unlink()
        self.away.rename(self.place)


@pytest.mark.parametrize("passes", [True, False])
def test_an_outage_is_survived_or_told(
    target: Slow, state: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECONDS", "PATIENCE"):
        monkeypatch.setattr(ledger, name, 0.0)
    scorer = Outage(Path(state.removeprefix("delta://")), 4, 7 if passes else 99)
    with open_ledger(state) as opened:
        request = ScanPlan([target], workers=0, batch_size=4)
        outcome = run_scan(request, [scorer], ledger=opened)
        assert scorer.batch == 10
        assert len(outcome.findings) == 40
        assert exit_code(outcome, "never") == (0 if passes else 4)
    if passes:
        assert outcome.broken == []
        assert len(stored(state)) == 40
        return
    (why,) = outcome.broken
    assert why.startswith(f"The ledger cannot be written: {state}: ")
    assert why.endswith(" 28 rows of this scan are not in it.")
    scorer.end()
    assert len(stored(state)) == 12
    target.reads.clear()
    assert scan(target, state, DarkIsOurs()).complete
    assert len(target.reads) == 28


def test_many_small_files_become_one(
    target: Slow, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "SECONDS", 0.0)
    before = scan(target, state, DarkIsOurs()).rows
    folder = state.removeprefix("delta://")
    assert len(DeltaTable(folder).file_uris()) > 3
    monkeypatch.setattr(table, "MANY_FILES", 3)
    assert scan(target, state, DarkIsOurs()).rows == before
    assert len(DeltaTable(folder).file_uris()) == 1
    assert len(stored(state)) == 40


def test_a_damaged_table_is_refused(target: Slow, state: str) -> None:
    scan(target, state, DarkIsOurs())
    (part,) = Path(state.removeprefix("delta://")).glob("*.parquet")
    part.write_bytes(b"no table")
    with pytest.raises(StateError, match="cannot be read"):
        scan(target, state, DarkIsOurs())


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "other"), pa.table({"x": [1]}))
    (tmp_path / "file").touch()
    for state, message in {
        f"delta://{tmp_path}/other": "is a Delta table, but no ledger",
        f"delta://{tmp_path}/file": "cannot be opened",
        f"delta://{tmp_path}/no/where": "does not exist",
        "delta://": "does not exist",
        "s3://bucket": "needs a prefix",
    }.items():
        with pytest.raises(StateError, match=message), open_ledger(state) as opened:
            opened.begin({})
    with (
        pytest.raises(StateError, match="There is no ledger"),
        open_ledger(f"delta://{tmp_path}/none", must_exist=True),
    ):
        pass


def test_without_the_package_the_extra_is_named(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(UsageError, match=r"pip install 'flipad-ops\[delta\]'"), open_ledger(state):
        pass
