"""Keys are opaque: what is listed is read under that very name, or fails by it."""

from __future__ import annotations

import csv
import pickle
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flipad_ops.common.errors import ObjectGone, TargetError
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import Item, S3Access, open_target
from tests.e2e.opaque_s3 import OpaqueS3, Stored, opaque_s3
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

#: What clients stumble over, in any order: path syntax, escapes, controls, what is no UTF-8.
PIECES = st.sampled_from(
    [
        *b'/ // . .. a b.png %2F % + ? # \\ \x01 \x7f \xff s3: & < " \xc0\xaf'.split(b" "),
        *(b" ", b"\n", "é".encode(), "中".encode()),
    ]
)
PREFIXES = st.sampled_from([b"", b"in/", b"/", b"//"])
KEYS = st.lists(PIECES, min_size=1, max_size=6).map(b"".join)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def bucket() -> Iterator[OpaqueS3]:
    with opaque_s3() as running:
        yield running


@pytest.fixture(autouse=True)
def rights(bucket: OpaqueS3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.objects, bucket.paid, bucket.region = {}, False, ""
    bucket.asked.clear()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": bucket.endpoint,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


def fill(bucket: OpaqueS3, keys: set[bytes]) -> None:
    bucket.objects = {key: Stored(b"body of " + key) for key in keys}


def is_text(key: bytes) -> bool:
    return key.decode("utf-8", "replace").encode() == key


@SLOW
@given(
    keys=st.sets(KEYS, min_size=1, max_size=8), prefix=st.sampled_from([b"", b"in/", b"/", b"//"])
)
@example(keys={b"/a.png", b"a.png"}, prefix=b"")
@example(keys={b"a/./b.png", b"a/../b.png", b"a//b.png", b"s3://x.png"}, prefix=b"in/")
def test_every_listed_key_is_read_as_itself(
    bucket: OpaqueS3, keys: set[bytes], prefix: bytes
) -> None:
    fill(bucket, {prefix + key for key in keys})
    target = open_target(f"s3://b/{prefix.decode()}")
    listed = list(target.list())
    raw = {prefix + item.key.encode("utf-8", "surrogateescape") for item in listed}
    assert raw == set(bucket.objects)
    target = pickle.loads(pickle.dumps(target))
    for item in listed:
        key = prefix + item.key.encode("utf-8", "surrogateescape")
        if is_text(key):
            assert target.read(item, 1000).data == b"body of " + key
        else:
            with pytest.raises(TargetError, match="no UTF-8"):
                target.read(item, 1000)


@SLOW
@given(key=KEYS.filter(is_text))
@example(key=b"/a.png")
@example(key=b"a/")
def test_one_object_by_its_address_and_in_a_manifest(
    bucket: OpaqueS3, key: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = key.strip(b"/")
    fill(bucket, {key} | ({other} if other else set()))
    uri = f"s3://b/{key.decode()}"
    if not key.endswith(b"/"):  # else a folder
        target = open_target(uri)
        (item,) = (i for i in target.list() if uri.endswith(i.key))
        assert target.read(item, 1000).data == b"body of " + key
    path = tmp_path_factory.mktemp("m") / "m.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["key"], [uri]])
    target = open_target(str(path))
    (item,) = target.list()
    assert target.read(item, 1000).data == b"body of " + key


def test_one_odd_key_fails_and_the_rest_is_scanned(bucket: OpaqueS3) -> None:
    good = [b"/lead.png", b"a//b.png", b"a/../c.png", b"plain.png", b"tab\t.png", b"s3://x.png"]
    bucket.objects = {key: Stored(png(0.05, n)) for n, key in enumerate(good)}
    bucket.objects[b"\xff.png"] = Stored(png(0.05, 99))
    outcome = run_scan(ScanPlan([open_target("s3://b")], workers=0), [DarkIsOurs()])
    assert sorted(f.row.key.encode() for f in outcome.findings) == sorted(good)
    assert [row.key for row in outcome.failed] == ["\udcff.png"]
    assert exit_code(outcome, "never") == 4


def test_what_is_put_beneath_an_object_does_not_hide_it(bucket: OpaqueS3) -> None:
    fill(bucket, {b"in/x.png", b"in/x.png/y.png", b"in/x.png2"})
    target = open_target("s3://b/in/x.png")
    read = {item.key: target.read(item, 1000).data for item in target.list()}
    assert read == {"x.png": b"body of in/x.png", "x.png/y.png": b"body of in/x.png/y.png"}
    assert target.address("x.png/y.png") == "s3://b/in/x.png/y.png"


def test_a_404_of_what_is_still_listed_is_no_deletion(bucket: OpaqueS3) -> None:
    fill(bucket, {b"a.png"})
    target = open_target("s3://b")
    (item,) = target.list()
    with pytest.raises(ObjectGone):
        target.read(Item("b.png", 1, 0.0, ""), 1000)

    class Forgetful(dict[bytes, Stored]):
        def get(self, key: bytes, default: object = None) -> None:  # type: ignore[override]
            """Nothing, though it is listed."""

    bucket.objects = Forgetful(bucket.objects)
    with pytest.raises(TargetError, match="is listed, but not found") as caught:
        target.read(item, 1000)
    assert not isinstance(caught.value, ObjectGone)


def test_requester_pays_and_the_region_of_the_bucket(bucket: OpaqueS3) -> None:
    fill(bucket, {b"a.png", b"/b.png"})
    bucket.paid, bucket.region = True, "eu-west-3"
    with pytest.raises(TargetError, match="access denied"):
        list(open_target("s3://b").list())
    target = open_target("s3://b", S3Access(requester_pays=True))
    assert [len(target.read(item, 99).data) for item in target.list()] == [14, 13]
    (read,) = (headers for _, path, headers in bucket.asked if path == "/b/a.png")
    assert "/eu-west-3/" in read["authorization"]
