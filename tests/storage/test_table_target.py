"""Tables of samples as targets, told from manifests, and groups of keys."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flipad_ops.common.errors import ObjectGone, TargetError, UsageError
from flipad_ops.samples.columns import Column, Columns
from flipad_ops.samples.image_space import Images
from flipad_ops.scanning.decisions.groups import grouping, prefix_tests
from flipad_ops.scanning.plan.samples_within import with_tables
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import Item, ManifestTarget, open_target
from flipad_ops.storage.table_target import KEPT, TableTarget

COLUMNS = Columns((Column("a", 0.0, 100.0), Column("b", 0.0, 1.0)))
SCORER = cast(Any, SimpleNamespace(name="x", version="1", space=COLUMNS))
IMAGES = cast(Any, SimpleNamespace(name="y", version="1", space=Images((3, 8, 8))))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve rows in six row groups."""
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"b": [0.5] * 12, "note": list("abcdefghijkl"), "a": range(12)})
    pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=2)
    return path


def test_rows_are_items_under_their_row_group(table: Path) -> None:
    target = pickle.loads(pickle.dumps(TableTarget(table, ["a", "b"])))
    items = list(target.list())
    assert [item.key for item in items[:3]] == [
        "t.parquet/rows-0-1/0", "t.parquet/rows-0-1/1", "t.parquet/rows-2-3/2",
    ]  # fmt: skip
    assert len({item.etag for item in items}) == 12
    # The first groups have left memory meanwhile: they are read again.
    assert len(items) > 2 * KEPT
    for number in (0, 11, 1):
        content = target.read(items[number], 10**6)
        assert content.etag == items[number].etag
        assert COLUMNS.take(content.data)[0][0] == pytest.approx(number / 100)
    with pytest.raises(ObjectGone):
        target.read(Item("t.parquet/rows-0-1/7", 0, 0.0, ""), 10**6)
    table.write_bytes(b"PAR1 no more")
    with pytest.raises(TargetError, match="cannot be read as a table"):
        list(target.list())


def told(path: Path, *scorers: Any) -> Any:
    return with_tables(ScanPlan([open_target(str(path))]), scorers).targets[0]


def test_a_table_is_told_from_a_manifest(table: Path, tmp_path: Path) -> None:
    assert isinstance(told(table, IMAGES, SCORER), TableTarget)
    manifest = tmp_path / "m.csv"
    manifest.write_text("key,size\nx.png,5\n")
    assert isinstance(told(manifest, SCORER), ManifestTarget)
    # Whoever has all columns is a table of samples, whatever else it has.
    both = tmp_path / "both.csv"
    both.write_text("key,b,a\nx.png,0.5,3\n")
    assert isinstance(told(both, SCORER), TableTarget)
    assert isinstance(told(both, IMAGES), ManifestTarget)
    with pytest.raises(UsageError, match="no attributor of this scan takes rows"):
        told(table, IMAGES)
    neither = tmp_path / "n.csv"
    neither.write_text("a,c\n1,2\n")
    with pytest.raises(UsageError, match="it lacks 'b'"):
        told(neither, SCORER)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UsageError, match="no manifest"):
        told(tmp_path / "empty.csv", SCORER)
    assert told(tmp_path, SCORER).path == tmp_path


def test_csv_comes_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{n},0.5\n" for n in range(1500)), encoding="utf-8-sig")
    keys = [item.key for item in TableTarget(path, ["a", "b"]).list()]
    assert keys[999:1001] == ["t.csv/rows-0-999/999", "t.csv/rows-1000-1499/1000"]


def test_what_is_tested_together() -> None:
    assert grouping("")("a/b/c.png") == "a/b"
    clip = grouping(r"(clip_\d+)_frame")
    assert clip("x/clip_7_frame_1.png") == "clip_7"
    assert clip("x/still.png") == "x"
    assert grouping(r"^\d+")("12-3.png") == "12"
    with pytest.raises(UsageError, match="no regular expression"):
        ScanPlan([], group="(")
    judged = [(f"clip_{n // 4}_frame_{n}.png", n < 4, False) for n in range(8)]
    ours, theirs = prefix_tests(judged, 0.05, clip)
    assert (ours.prefix, ours.attributed, theirs.attributed) == ("clip_0", 4, 0)
    assert ours.q < 0.005  # three of the frames may follow from the first
    assert theirs.q == 1.0
