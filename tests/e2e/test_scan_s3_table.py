"""Tables of samples in a bucket, against a real S3 server: ranges, ledger, versions."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.common.errors import ObjectGone, TargetError, UsageError
from flipad_ops.samples.columns import Column, Columns
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.evidence import Evidence
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.plan.samples_within import with_tables
from flipad_ops.storage import S3Access, S3Target, open_target
from flipad_ops.storage.s3 import ranges
from flipad_ops.storage.s3.ranges import S3Object
from flipad_ops.storage.table_target import TableTarget
from tests.e2e.s3_server import S3Server, s3_server
from tests.scanning.fakes import DarkIsOurs

pytestmark = pytest.mark.e2e
COLUMNS = Columns((Column("a", 0.0, 1.0), Column("b", 0.0, 1.0)))


class LowIsOurs(DarkIsOurs):
    """Rows whose mean is at most 0.2 are ours."""

    def __init__(self) -> None:
        super().__init__()
        self.space = cast(Any, COLUMNS)

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        return super().score(pixels[:, None, None], residual)


def rows(levels: list[float], group: int = 10) -> bytes:
    """A Parquet file with a wide column that nobody asks for."""
    wide = [np.random.default_rng(n).bytes(20_000) for n in range(len(levels))]
    frame = pd.DataFrame({"b": levels, "wide": wide, "a": levels})
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame), held, row_group_size=group)
    return held.getvalue()


LEVELS = [0.05 + n / 10_000 for n in range(10)] + [0.7 + n / 1000 for n in range(20)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        client = running.client()
        client.create_bucket(Bucket="kept")
        client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket="public", Key="in/t.parquet", Body=rows(LEVELS))
        client.put_object(Bucket="public", Key="in/broken.parquet", Body=b"PAR1 no more")
        text = "b,a\n" + "".join(f"{level},{level}\n" for level in LEVELS)
        client.put_object(Bucket="public", Key="in/t.csv", Body=text.encode("utf-8-sig"))
        client.put_object(Bucket="public", Key="in/other.csv", Body=b"a,key\n1,x.png\n")
        client.put_object(Bucket="public", Key="folder.parquet/part.txt", Body=b"x")
        yield running


@pytest.fixture(autouse=True)
def environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.use(monkeypatch)


def told(uri: str, access: S3Access | None = None) -> ScanPlan:
    request = ScanPlan([open_target(uri, access or S3Access())], workers=0, batch_size=8)
    return with_tables(request, [cast(Any, LowIsOurs())])


def test_rows_are_scanned_by_ranges(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def ask(store: Any, key: str, where: str, use: Any, options: dict[str, Any]) -> Any:
        asked.append(options.get("range", (0, 0)))
        return original(store, key, where, use, options)

    original = ranges.ask
    monkeypatch.setattr(ranges, "ask", ask)
    request, scorer = told("s3://public/in/t.parquet"), LowIsOurs()
    with closing(SqliteLedger(tmp_path / "ledger.db")) as ledger:
        outcome = run_scan(request, [scorer], ledger=ledger)
        found = list(outcome.findings)
        assert [f.row.key for f in found[9:11]] == [
            "t.parquet/rows-0-9/9", "t.parquet/rows-10-19/10",
        ]  # fmt: skip
        assert len(outcome.of("leak")) == 10
        head = server.client().head_object(Bucket="public", Key="in/t.parquet")
        assert all(f.row.etag.split(" ")[0] == head["ETag"].strip('"') for f in found)
        size = head["ContentLength"]
        assert sum(end - start for start, end in asked) < size / 4 < 20_000 * 30
        # Nothing was changed, so nothing is scored again.
        again = run_scan(told("s3://public/in/t.parquet"), [scorer], ledger=ledger)
        assert (again.reused, len(again.findings)) == (30, 30)
    lines = run_scan(told("s3://public/in/t.csv", S3Access(anonymous=True)), [scorer])
    assert [f.row.score for f in lines.findings] == [f.row.score for f in found]


def test_what_cannot_be_a_table() -> None:
    with pytest.raises(TargetError, match="cannot be read as a table"):
        told("s3://public/in/broken.parquet")
    with pytest.raises(UsageError, match="it lacks 'b'"):
        told("s3://public/in/other.csv")
    with pytest.raises(TargetError, match="access denied"):
        told("s3://private/t.parquet", S3Access(anonymous=True))
    assert isinstance(told("s3://public/folder.parquet").targets[0], S3Target)
    image_scan = ScanPlan([open_target("s3://public/in/t.parquet")])
    assert with_tables(image_scan, [DarkIsOurs()]).targets[0] is image_scan.targets[0]


def test_an_object_that_changes_is_not_mixed(server: S3Server) -> None:
    client = server.client()
    client.put_object(Bucket="public", Key="moving.parquet", Body=rows(LEVELS))
    pinned = S3Object("s3://public/moving.parquet").pinned()
    target = pickle.loads(pickle.dumps(TableTarget(pinned, COLUMNS.fields)))
    (first, *_), stream = list(target.list()), pinned.open()
    client.put_object(Bucket="public", Key="moving.parquet", Body=rows(LEVELS[::-1]))
    with pytest.raises(TargetError, match="was changed while it was read"):
        stream.read(4)
    # A worker that reads a row later records the state that it read.
    late = TableTarget(pinned, COLUMNS.fields).read(first, 10**6)
    assert late.etag != first.etag
    client.delete_object(Bucket="public", Key="moving.parquet")
    with pytest.raises(ObjectGone):
        TableTarget(pinned, COLUMNS.fields).read(first, 10**6)


def test_evidence_is_found_in_the_version_that_was_scanned(server: S3Server) -> None:
    client = server.client()
    client.put_object(Bucket="kept", Key="t.parquet", Body=rows(LEVELS))
    row = run_scan(told("s3://kept/t.parquet"), [LowIsOurs()]).of("leak")[0].row
    client.put_object(Bucket="kept", Key="t.parquet", Body=rows(LEVELS[::-1]))
    now = told("s3://kept/t.parquet").targets
    assert Evidence(now, 10**6).find(row).startswith(b"flipad-row")
    version = row.etag.split(" ")[1]
    client.delete_object(Bucket="kept", Key="t.parquet", VersionId=version)
    with pytest.raises(TargetError, match="is not what was scored"):
        Evidence(now, 10**6).find(row)
