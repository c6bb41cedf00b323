"""Cold storage, packed bodies, sizes that are not so, and whichever host boto3 resolves."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from botocore.utils import parse_timestamp
from hypothesis import given
from hypothesis import strategies as st

from flipad_ops.common.errors import ImageError, ImageTooLarge
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.pipeline import Plumbing
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import Content, Item, S3Access, Target, open_target
from flipad_ops.storage.s3.encodings import decoded
from flipad_ops.storage.s3.list_pages import moment
from tests.e2e.opaque_s3 import OpaqueS3, Stored
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png
from tests.storage.test_opaque_keys import bucket, rights

__all__ = ["bucket", "rights"]

AWS = {
    "regional": ({}, "https://images.s3.eu-west-3.amazonaws.com", True),
    "dualstack": (
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        "https://images.s3.dualstack.eu-west-3.amazonaws.com",
        True,
    ),
    "vpc": (
        {"AWS_ENDPOINT_URL_S3": "https://bucket.vpce-1a.s3.eu-west-3.vpce.amazonaws.com"},
        "https://bucket.vpce-1a.s3.eu-west-3.vpce.amazonaws.com",
        False,
    ),
    "folder": ({"AWS_ENDPOINT_URL": "https://gate.example/s3"}, "https://gate.example/s3", False),
}


@pytest.mark.parametrize("name", AWS)
def test_the_host_that_boto3_resolved_is_the_one_asked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, endpoint, virtual = AWS[name]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for variable, value in {"AWS_DEFAULT_REGION": "eu-west-3", **variables}.items():
        monkeypatch.setenv(variable, value)
    store = S3Access().store("images")
    config = {name.removeprefix("aws_"): value for name, value in store.config.items()}
    assert config["endpoint"] == endpoint
    assert str(config["virtual_hosted_style_request"]).lower() == str(virtual).lower()
    told = S3Access(requester_pays=True).text_options("images")()
    assert told["aws_endpoint"] == endpoint
    assert told["aws_virtual_hosted_style_request"] == str(virtual).lower()
    assert told["aws_request_payer"] == "true"


def test_archived_objects_are_counted_and_no_refusal(bucket: OpaqueS3) -> None:
    bucket.objects = {b"%d.png" % n: Stored(png(0.7, n)) for n in range(3)}
    bucket.objects[b"cold.png"] = Stored(png(0.7, 7), storage="GLACIER")
    bucket.objects[b"tab\t.png"] = Stored(png(0.7, 7), storage="DEEP_ARCHIVE")
    outcome = run_scan(ScanPlan([open_target("s3://b")], workers=0), [DarkIsOurs()])
    assert [row.key for row in outcome.skipped] == ["cold.png", "tab\t.png"]
    assert outcome.seen.skipped == {"for being archived": 2}
    assert exit_code(outcome) == 0


def test_packed_objects_are_read(bucket: OpaqueS3) -> None:
    whole = png(0.05, 1)
    for key in (b"a.png", b"/b.png"):  # by obstore and by boto3
        bucket.objects[key] = Stored(gzip.compress(whole), {"Content-Encoding": "gzip"})
    bucket.objects[b"c.png"] = Stored(b"\x0b\x02\x80", {"Content-Encoding": "br"})
    bucket.objects[b"d.png"] = Stored(png(0.7, 2), {"Content-Encoding": "br"})  # it is not so
    outcome = run_scan(ScanPlan([open_target("s3://b")], workers=0), [DarkIsOurs()])
    assert sorted(f.row.key for f in outcome.findings) == ["/b.png", "a.png", "d.png"]
    assert outcome.seen.skipped == {"for their Content-Encoding": 1}


@given(data=st.binary(max_size=300), labels=st.lists(st.sampled_from(["gzip", "deflate"])))
def test_what_was_packed_comes_back(data: bytes, labels: list[str]) -> None:
    packed = data
    for label in labels:
        packed = gzip.compress(packed) if label == "gzip" else zlib.compress(packed)
    assert decoded(packed, ", ".join(labels), 10_000) == data


@given(st.binary(max_size=80), st.sampled_from(["gzip", "deflate", "br", "aws-chunked", "utf-8"]))
def test_any_bytes_and_label_give_bytes_or_one_sentence(data: bytes, label: str) -> None:
    for bytes_ in (data, b"\x1f\x8b\x08\x00" + data, gzip.compress(data)[:-2]):
        told, unpacked = "", b""
        try:
            unpacked = decoded(bytes_, label, 1000)
        except ImageError as error:
            told = str(error)
        assert len(unpacked) <= 1000
        assert "\n" not in told


def test_a_packed_bomb_stays_in_its_limit() -> None:
    bomb = gzip.compress(bytes(10**7))
    for packed, label in ((bomb, "gzip"), (gzip.compress(bomb), "gzip, gzip")):
        with pytest.raises(ImageTooLarge):
            decoded(packed, label, 10**6)


class Liar(Target):
    """Objects of 3 MB whose listing says nothing, or something else, about their size."""

    uri, concurrency = "liar", 16

    def __init__(self, stated: list[int]) -> None:
        self.stated, self.held, self.most = stated, 0, 0
        self._lock = threading.Lock()

    def list(self) -> Iterator[Item]:
        return (Item(f"{n}.png", size, 0.0, "") for n, size in enumerate(self.stated))

    def read(self, item: Item, max_bytes: int) -> Content:
        if max_bytes < 3_000_000:
            raise ImageTooLarge("Larger.", size=3_000_000 if item.size else 0)
        with self._lock:
            self.held += max_bytes
            self.most = max(self.most, self.held)
        threading.Event().wait(0.005)
        with self._lock:
            self.held -= max_bytes
        return Content(png(0.7, 1) + bytes(2_000_000), "")


@pytest.mark.parametrize("stated", [0, 10, 2_999_999], ids=["unknown", "tiny", "almost"])
def test_no_stated_size_is_trusted(stated: int) -> None:
    target = Liar([stated] * 60)
    plan = ScanPlan([target], workers=0)
    outcome = run_scan(plan, [DarkIsOurs()])
    assert len(outcome.findings) == 60
    assert target.most <= Plumbing(1, 1, 1).budget


def test_a_manifest_without_sizes_reads_within_the_bound(bucket: OpaqueS3, tmp_path: Path) -> None:
    body = png(0.7, 1) + bytes(1_500_000)
    bucket.objects = {b"%d.png" % n: Stored(body) for n in range(8)}
    (tmp_path / "m.csv").write_text("key\n" + "".join(f"s3://b/{n}.png\n" for n in range(8)))
    outcome = run_scan(ScanPlan([open_target(str(tmp_path / "m.csv"))], workers=0), [DarkIsOurs()])
    assert len(outcome.findings) == 8


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_dates_of_listings_are_botocores(at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
    for text in (stamp, f"{at:%Y-%m-%dT%H:%M:%S}Z", format_datetime(at, usegmt=True)):
        assert moment(text) == parse_timestamp(text).timestamp()
