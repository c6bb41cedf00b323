"""The fault table of docs/scan.md, row by row, against a real S3 server."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.errors import NothingToScan, TargetError, UsageError
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import Item, S3Access, open_target
from tests.e2e.faulty import Fault, faulty
from tests.e2e.s3_server import READER, S3Server, s3_server
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        client = running.client()
        for index in range(40):
            level = 0.05 if index < 5 else 0.7
            client.put_object(Bucket="public", Key=f"in/{index:03d}.png", Body=png(level, index))
        yield running


@pytest.fixture(autouse=True)
def environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.use(monkeypatch)


def scan(uri: str, access: S3Access | None = None, **fields: object) -> ScanOutcome:
    target = open_target(uri, access or S3Access())
    fields = {"workers": 0, "batch_size": 8, **fields}
    return run_scan(ScanPlan([target], **fields), [DarkIsOurs()])  # type: ignore[arg-type]


def test_prefix_object_and_anonymous(server: S3Server) -> None:
    outcome = scan("s3://public/in")
    assert [f.row.key for f in outcome.findings] == [f"{i:03d}.png" for i in range(40)]
    assert len(outcome.of("leak")) == 5
    assert exit_code(outcome) == 3
    assert [f.row.key for f in scan("s3://public/in/007.png").findings] == ["007.png"]
    anonymous = scan("s3://public/in/", S3Access(anonymous=True))
    assert [f.row for f in anonymous.findings][3].score == list(outcome.findings)[3].row.score


@pytest.mark.parametrize("uri", ["s3://private/sent", "s3://private/sent/1.png"])
def test_targets_travel_without_keys_and_read_elsewhere(server: S3Server, uri: str) -> None:
    server.client().put_object(Bucket="private", Key="sent/1.png", Body=b"here")
    target = open_target(uri)
    (item,) = target.list()
    sent = pickle.dumps(target)
    assert server.secret.encode() not in sent
    there = pickle.loads(sent)
    assert there.uri == uri
    assert there.read(item, 10).data == b"here"


def test_profile_gives_keys_and_endpoint(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use_profile("here", tmp_path / "config", monkeypatch)
    assert len(scan("s3://public/in", S3Access(profile="here")).findings) == 40
    with pytest.raises(UsageError, match="nobody"):
        scan("s3://public/in", S3Access(profile="nobody"))
    with pytest.raises(TargetError, match="No AWS credentials"):
        scan("s3://public/in", S3Access(endpoint_url=server.endpoint))


def test_to_list_and_to_read_are_rights_enough(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(3):
        server.client().put_object(Bucket="private", Key=f"r/{index}.png", Body=png(0.05, index))
    with pytest.raises(Exception, match="AccessDenied"):
        replace(server, key=READER).client().put_object(Bucket="private", Key="r/w", Body=b"x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER)
    outcome = scan("s3://private/r")
    assert len(outcome.of("leak")) == 3
    assert exit_code(outcome) == 3


def test_wrong_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(TargetError, match="credentials were refused"):
        scan("s3://public/in")


def test_missing_bucket_denied_bucket_and_empty_prefix() -> None:
    with pytest.raises(TargetError, match="does not exist"):
        scan("s3://nowhere/in")
    with pytest.raises(TargetError, match="access denied"):
        scan("s3://private/in", S3Access(anonymous=True))
    with pytest.raises(NothingToScan):
        scan("s3://public/empty")


def test_a_prefix_that_is_nearly_there(server: S3Server) -> None:
    server.client().put_object(Bucket="public", Key="deep/incoming/0.png", Body=png(0.7, 1))
    for text in ("s3://public/deep/incomming", "s3://public/deep/incomming/"):
        with pytest.raises(NothingToScan, match="did you mean 'incoming'"):
            scan(text)


def test_server_that_is_not_there() -> None:
    with pytest.raises(TargetError, match="cannot be reached"):
        scan("s3://public/in", S3Access(endpoint_url="http://127.0.0.1:9", anonymous=True))


def test_listing_denied_half_way(server: S3Server) -> None:
    client = server.client()
    for index in range(1010):
        client.put_object(Bucket="public", Key=f"many/{index:04d}.png", Body=b"PK")
    client.put_object(Bucket="public", Key="many/0000.png", Body=png(0.7, 1))

    def deny(path: str, count: int) -> Fault | None:
        return Fault(403, "AccessDenied") if "continuation-token" in path else None

    with faulty(server.endpoint, deny) as endpoint:
        outcome = scan("s3://public/many", S3Access(endpoint_url=endpoint))
    assert len(outcome.skipped) == 999
    assert "access denied" in outcome.broken[0]
    assert exit_code(outcome) == 4


def test_storm_of_503_passes(server: S3Server) -> None:
    def storm(path: str, count: int) -> Fault | None:
        return Fault(503, "SlowDown") if ".png" in path and count < 2 else None

    with faulty(server.endpoint, storm) as endpoint:
        outcome = scan("s3://public/in", S3Access(endpoint_url=endpoint))
    assert outcome.complete
    assert len(outcome.findings) == 40


def test_denied_object_is_an_error(server: S3Server) -> None:
    def deny(path: str, count: int) -> Fault | None:
        return Fault(403, "AccessDenied") if "030.png" in path else None

    with faulty(server.endpoint, deny) as endpoint:
        outcome = scan("s3://public/in", S3Access(endpoint_url=endpoint))
        assert [row.key for row in outcome.failed] == ["030.png"]
        assert exit_code(outcome, "never") == 4
        patient = scan("s3://public/in", S3Access(endpoint_url=endpoint), max_errors=1)
        assert exit_code(patient, "never") == 0


@pytest.mark.parametrize(("cuts", "read"), [(1, True), (99, False)])
def test_truncated_bodies_are_asked_for_again(server: S3Server, cuts: int, read: bool) -> None:
    def cut(path: str, count: int) -> Fault | None:
        return Fault(keep=20) if "031.png" in path and count < cuts else None

    with faulty(server.endpoint, cut) as endpoint:
        outcome = scan("s3://public/in", S3Access(endpoint_url=endpoint))
    assert outcome.complete is read
    assert [row.key for row in outcome.failed] == ([] if read else ["031.png"])


def test_objects_replaced_deleted_and_grown_after_the_listing(server: S3Server) -> None:
    client = server.client()
    for name in ("replaced", "deleted", "grown"):
        client.put_object(Bucket="public", Key=f"race/{name}.png", Body=png(0.7, 1))
    target = open_target("s3://public/race")
    listed = list(target.list())

    def frozen() -> Iterator[Item]:
        return iter(listed)

    target.list = frozen  # type: ignore[method-assign]
    client.put_object(Bucket="public", Key="race/replaced.png", Body=png(0.05, 2))
    client.delete_object(Bucket="public", Key="race/deleted.png")
    client.put_object(Bucket="public", Key="race/grown.png", Body=b"x" * 3000)
    limits = DecodeLimits(max_bytes=2000)
    outcome = run_scan(ScanPlan([target], workers=0, limits=limits), [DarkIsOurs()])
    (found,) = outcome.findings
    assert found.verdict == "leak"
    now = client.head_object(Bucket="public", Key="race/replaced.png")["ETag"]
    assert found.row.etag == now != next(i.etag for i in listed if i.key == "replaced.png")
    reasons = {row.key: row.reason for row in outcome.skipped}
    assert "Deleted since" in reasons["deleted.png"]
    assert "over the limit" in reasons["grown.png"]
    assert outcome.complete


def bomb() -> bytes:
    """A PNG of 400 megapixels in under 50 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(9)
    line = b"\0" * (20_000 // 8 + 1)
    data = b"".join(packer.compress(line) for _ in range(20_000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def animation(frames: int) -> bytes:
    """A GIF of the same frame over and over."""
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(out, "GIF")
    one = out.getvalue()
    head = 13 + 3 * 2 ** ((one[10] & 7) + 1)
    return one[:head] + one[head:-1] * frames + b";"


def test_hostile_content_is_skipped_with_its_reason(server: S3Server) -> None:
    client = server.client()
    objects = {
        "bomb.png": bomb(),
        "zip.png": b"PK\x03\x04 and so on",
        "zero.png": b"",
        "cut.png": png(0.7, 3)[:60],
        "film.gif": animation(10_000),
        "<script>alert(1)</script>.png": png(0.7, 4),
        "ok.png": png(0.7, 5),
    }
    assert len(objects["bomb.png"]) < 60_000
    for key, body in objects.items():
        client.put_object(Bucket="public", Key=f"hostile/{key}", Body=body)
    outcome = scan("s3://public/hostile", workers=2)
    reasons = {row.key: row.reason for row in outcome.skipped}
    assert set(reasons) == {"bomb.png", "zip.png", "zero.png", "cut.png"}
    assert "limit of 25000000 pixels" in reasons["bomb.png"]
    assert "empty" in reasons["zero.png"]
    assert {f.row.key for f in outcome.findings} == objects.keys() - reasons.keys()
    assert exit_code(outcome, "never") == 0


def test_second_scan_reads_only_changed_objects(server: S3Server, tmp_path: Path) -> None:
    gets: list[str] = []

    def watch(path: str, count: int) -> Fault | None:
        if ".png" in path:
            gets.append(path)
        return None

    with faulty(server.endpoint, watch) as endpoint:
        for expected in (40, 0, 1):
            gets.clear()
            target = open_target("s3://public/in", S3Access(endpoint_url=endpoint))
            request = ScanPlan([target], workers=0)
            outcome = run_scan(request, [DarkIsOurs()], ledger=SqliteLedger(tmp_path / "state.db"))
            assert len(outcome.findings) == 40
            assert len(gets) == expected
            server.client().put_object(Bucket="public", Key="in/039.png", Body=png(0.7, 77))
            if expected == 40:
                server.client().put_object(Bucket="public", Key="in/039.png", Body=png(0.7, 39))


def test_manifests(server: S3Server, tmp_path: Path) -> None:
    import pandas as pd

    (tmp_path / "here.png").write_bytes(png(0.05, 900))
    keys = ["s3://public/in/000.png", "here.png", "s3://public/in/006.png", "here.png"]
    pd.DataFrame({"key": keys}).to_parquet(tmp_path / "m.parquet")
    pd.DataFrame({"uri": keys, "size": [1, 2, 3, 4]}).to_csv(tmp_path / "m.csv")
    (tmp_path / "m.jsonl").write_text("".join(f'{{"path": "{key}"}}\n' for key in keys))
    for name in ("m.parquet", "m.csv", "m.jsonl"):
        outcome = scan(str(tmp_path / name))
        assert [(f.row.key, f.verdict) for f in outcome.findings] == [
            (keys[0], "leak"),
            (keys[1], "leak"),
            (keys[2], "clear"),
        ]
    (tmp_path / "bad.csv").write_text("key\ngone.png\ns3://public/in/gone.png\n")
    outcome = scan(str(tmp_path / "bad.csv"))
    assert [row.key for row in outcome.failed] == ["gone.png", "s3://public/in/gone.png"]
    assert exit_code(outcome) == 4
    for name, content in {"x.csv": "name\na\n", "x.parquet": "no", "x.jsonl": "{"}.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(TargetError, match=name):
            scan(str(tmp_path / name))
