"""One scan of all keys, one of all states of objects, one of all entries of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.outputs import FORMATS, write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import S3Access, open_target
from tests.bad_inputs.places import ENTRIES, FAILED, KEYS, LEFT_OUT, OBJECTS, PNG
from tests.e2e.opaque_s3 import OpaqueS3, Stored, opaque_s3
from tests.scanning.fakes import DarkIsOurs

GOOD = "zzz good.png"


@pytest.fixture(scope="module")
def server() -> Iterator[OpaqueS3]:
    with opaque_s3() as running:
        running.page = 7
        yield running


def rows_of(target: str, folder: Path, access: S3Access | None = None) -> dict[bytes, Row]:
    """Every row of a scan whose outputs are all written."""
    chosen = open_target(target, access or S3Access())
    plan = ScanPlan([chosen], workers=0, max_skipped=1.0, max_errors=99)
    outcome = run_scan(plan, [DarkIsOurs()])
    assert outcome.complete
    assert write_outputs(outcome, [(name, folder / name) for name in FORMATS]) == []
    found = [finding.row for finding in outcome.findings]
    rows = [*found, *outcome.skipped, *outcome.failed]
    return {row.key.encode("utf-8", "surrogateescape"): row for row in rows}


@pytest.fixture(scope="module")
def keys(server: OpaqueS3, tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, Row]:
    server.objects = {b"in/" + key: Stored(PNG) for _, key, _ in KEYS}
    assert len(server.objects) == len(KEYS)
    access = S3Access(endpoint_url=server.endpoint, anonymous=True)
    return rows_of("s3://b/in/", tmp_path_factory.mktemp("out"), access)


@pytest.mark.parametrize("number", range(len(KEYS)), ids=[case[0] for case in KEYS])
def test_key(keys: dict[bytes, Row], number: int) -> None:
    _, key, outcome = KEYS[number]
    assert keys[key].outcome == outcome, keys[key]
    assert ("no UTF-8" in keys[key].reason) is (outcome == FAILED)


@pytest.fixture(scope="module")
def objects(server: OpaqueS3, tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, Row]:
    server.objects = {b"of/%03d" % n: case[1]() for n, case in enumerate(OBJECTS)}
    access = S3Access(endpoint_url=server.endpoint, anonymous=True)
    return rows_of("s3://b/of", tmp_path_factory.mktemp("out"), access)


@pytest.mark.parametrize("number", range(len(OBJECTS)), ids=[case[0] for case in OBJECTS])
def test_object(objects: dict[bytes, Row], number: int) -> None:
    _, _, outcome, reason = OBJECTS[number]
    row = objects[b"%03d" % number]
    assert row.outcome == outcome, row
    assert reason in row.reason


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, Row]:
    folder = tmp_path_factory.mktemp("in")
    (folder / GOOD).write_bytes(PNG)
    for number, (_, make, _) in enumerate(ENTRIES):
        make(folder / f"{number:03d}.png")
    assert len(os.listdir(folder)) == len(ENTRIES) + 1
    return rows_of(str(folder), tmp_path_factory.mktemp("out"))


@pytest.mark.parametrize("number", range(len(ENTRIES)), ids=[case[0] for case in ENTRIES])
def test_entry(entries: dict[bytes, Row], number: int) -> None:
    _, _, outcome = ENTRIES[number]
    found = [row for key, row in entries.items() if key.startswith(b"%03d" % number)]
    assert [row.outcome for row in found] == ([] if outcome == LEFT_OUT else [outcome])
    assert entries[GOOD.encode()].outcome == "scored"
