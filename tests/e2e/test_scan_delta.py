"""Ledgers on a real S3 server, written by several `flipadops scan` processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from deltalake import DeltaTable

from flipad_ops.common.errors import StateError, UsageError
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry.scorers import LoadedScorer, from_folder
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.ledger.open_ledger import open_ledger
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import S3Access, open_target
from tests.conftest import noise_images
from tests.e2e.faulty import Fault, faulty
from tests.e2e.forked_scans import Scans
from tests.e2e.s3_server import S3Server, s3_server

pytestmark = pytest.mark.e2e

#: What a row says of its object, whoever wrote it and when.
FACTS = ("target", "key", "attributor", "size", "etag", "sha256", "outcome", "reason",
         "attributed", "converged")  # fmt: skip
#: Appended after every batch, so that many commits meet.
OFTEN = {"flipad_ops.scanning.ledger.delta.delta_ledger:SECONDS": 0.0}
OBJECTS = 120


@pytest.fixture(scope="module")
def server(
    toy_split: SplitGenerator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    """A bucket of own images and noise, every tenth with the bytes of another."""
    with s3_server(tmp_path_factory.mktemp("s3"), "public") as running:
        client = running.client()
        images = torch.cat([toy_split.sample(80, seed=51), noise_images(40, seed=51)])
        for index in range(OBJECTS):
            body = encode_png(images[index - (index % 10 == 9)])
            client.put_object(Bucket="public", Key=f"in/{index:03d}.png", Body=body)
        client.put_object(Bucket="public", Key="in/not.png", Body=b"PK")
        yield running


@pytest.fixture
def scorer(toy_folder: Path) -> LoadedScorer:
    return from_folder(toy_folder, "cpu")


@pytest.fixture(autouse=True)
def environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.use(monkeypatch)


@pytest.fixture
def command(toy_folder: Path) -> list[str]:
    return ["scan", "s3://public/in", "-m", str(toy_folder), "--workers", "1", "--batch-size", "4",
            "--fail-on", "never", "--state"]  # fmt: skip


def rows(server: S3Server, state: str) -> list[dict[str, Any]]:
    """All rows of a table, newest last; none before it is begun."""
    options = {
        "aws_access_key_id": server.key,
        "aws_secret_access_key": server.secret,
        "aws_region": "us-east-1",
        "aws_endpoint": server.endpoint,
        "allow_http": "true",
    }
    with suppress(Exception):
        table = DeltaTable(state, storage_options=options).to_pyarrow_table().to_pylist()
        return sorted(table, key=lambda row: row["at"])
    return []


def facts(found: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Rows without their writers; the last digits of a score depend on its batch."""
    return {
        row["key"]: tuple(row[name] for name in FACTS)
        + tuple(row[name] and pytest.approx(row[name], rel=1e-5) for name in ("score", "p"))
        for row in found
    }


def wait_for(server: S3Server, state: str, count: int) -> None:
    """Until a table has so many rows."""
    deadline = time.monotonic() + 60
    while len(rows(server, state)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alone(folder: Path, scorer: LoadedScorer) -> dict[str, tuple[Any, ...]]:
    """The rows of one scan with a SQLite ledger."""
    ledger = SqliteLedger(folder / "alone.db")
    request = ScanPlan([open_target("s3://public/in")], workers=0, batch_size=4)
    run_scan(request, [scorer], ledger=ledger)
    found = [row for outcome in ("scored", "skipped") for row in ledger.rows(outcome)]
    return facts([row.to_dict() for row in found])


def test_two_shards_at_once_lose_nothing(
    server: S3Server, scans: Scans, command: list[str], scorer: LoadedScorer, tmp_path: Path
) -> None:
    state, environment = "s3://public/states/two", server.environment()

    def start(shard: str) -> int:
        words = [*command, state, "--shard", shard]
        return scans.start(*words, environment=environment, patches=OFTEN)

    first = start("1/2")
    wait_for(server, state, 1)
    os.kill(first, signal.SIGSTOP)
    before = len(rows(server, state))
    second = start("2/2")
    wait_for(server, state, before + 1)
    os.kill(first, signal.SIGCONT)
    for process in (first, second):
        assert scans.wait(process) == 0, scans.said(process)
        assert "complete: true" in scans.said(process)
    found = rows(server, state)
    assert len(found) == OBJECTS + 1
    runs = [row["run"] for row in found]
    # Each wrote before the other had ended.
    assert runs.index(runs[-1]) < len(runs) - runs[::-1].index(runs[0]) - 1
    assert len(set(runs)) == 2
    assert facts(found) == alone(tmp_path, scorer)


def test_killed_three_times_and_resumed(
    server: S3Server, scans: Scans, command: list[str], scorer: LoadedScorer, tmp_path: Path
) -> None:
    state, environment = "s3://public/states/killed", server.environment()
    kept: dict[str, tuple[Any, ...]] = {}
    for kill in range(3):
        words = [*command, state, *(["--resume"] if kept else [])]
        process = scans.start(*words, environment=environment, patches=OFTEN)
        wait_for(server, state, len(kept) + 5)
        os.kill(process, signal.SIGKILL)
        assert scans.wait(process) == -signal.SIGKILL, scans.said(process)
        now = {row["key"]: tuple(row.values()) for row in rows(server, state)}
        assert len(now) > len(kept), kill
        assert {key: now[key] for key in kept} == kept
        kept = now
    assert len(kept) <= OBJECTS
    process = scans.start(*command, state, "--resume", environment=environment)
    assert scans.wait(process) == 0
    assert f"{len(kept)} unchanged" in scans.said(process)
    found = rows(server, state)
    assert len(found) == OBJECTS + 1  # each object once: nothing was scored again
    assert facts(found) == alone(tmp_path, scorer)


def test_second_scan_reads_only_changed_objects(server: S3Server, scorer: LoadedScorer) -> None:
    state, gets, client = "s3://public/states/again", list[str](), server.client()

    def watch(path: str, count: int) -> Fault | None:
        if ".png" in path:
            gets.append(path)
        return None

    def put(seed: int) -> None:
        body = encode_png(noise_images(1, seed)[0])
        client.put_object(Bucket="public", Key="in/last.png", Body=body)

    put(52)
    with faulty(server.endpoint, watch) as endpoint:
        target = open_target("s3://public/in", S3Access(endpoint_url=endpoint))
        for expected in (OBJECTS + 2, 0, 1):
            if expected == 1:
                put(53)
            gets.clear()
            with open_ledger(state) as ledger:
                request = ScanPlan([target], workers=0)
                assert len(run_scan(request, [scorer], ledger=ledger).findings) == OBJECTS + 1
            assert len(gets) == expected
    client.delete_object(Bucket="public", Key="in/last.png")
    assert len(rows(server, state)) == OBJECTS + 3


def test_wrong_credentials_and_missing_bucket(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        pytest.raises(StateError, match="bucket of s3://nowhere/x does not exist"),
        open_ledger("s3://nowhere/x"),
    ):
        pass
    dead = S3Access(endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StateError, match="cannot be reached"), open_ledger("s3://public/x", dead):
        pass
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StateError, match="credentials were refused"), open_ledger("s3://public/x"):
        pass
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StateError, match="No AWS credentials"), open_ledger("s3://public/x"):
        pass


def test_a_refused_ledger_is_one_sentence_and_exit_2(
    server: S3Server, scans: Scans, command: list[str]
) -> None:
    wrong = server.environment() | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    process = scans.start(*command, "s3://public/states/wrong", environment=wrong)
    assert scans.wait(process) == 2
    (said,) = scans.said(process).splitlines()
    assert "The ledger cannot be written: s3://public/states/wrong: the credentials" in said


def test_a_profile_opens_target_and_ledger(
    server: S3Server, scorer: LoadedScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.use_profile("here", tmp_path / "config", monkeypatch)
    access = S3Access(profile="here", anonymous=True)  # the target only: nobody writes unsigned
    request = ScanPlan([open_target("s3://public/in", access)], workers=0)
    with open_ledger("s3://public/states/profile", access) as ledger:
        assert run_scan(request, [scorer], ledger=ledger).complete
    assert len(rows(server, "s3://public/states/profile")) == OBJECTS + 1
    monkeypatch.setenv("AWS_SESSION_TOKEN", os.urandom(4).hex())
    with (
        pytest.raises(UsageError, match="AWS_SESSION_TOKEN"),
        open_ledger("s3://public/states/profile", access) as ledger,
    ):
        ledger.begin({})


def test_a_server_that_ignores_conditions_is_refused(server: S3Server) -> None:
    def careless(path: str, count: int) -> Fault | None:
        # What is not there can be created, again and again.
        server.client().delete_object(Bucket="public", Key=path.removeprefix("/public/"))
        return None

    with faulty(server.endpoint, careless) as endpoint:
        access = S3Access(endpoint_url=endpoint)
        with (
            pytest.raises(StateError, match="ignores conditional writes"),
            open_ledger("s3://public/states/careless", access),
        ):
            pass
