"""Scans killed at random moments and resumed: nothing lost, nothing scored twice but a batch."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import torch

from flipad_ops.generators import SplitGenerator
from flipad_ops.samples.decode import decode
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.png import encode_png
from tests.conftest import noise_images
from tests.e2e.forked_scans import Scans

pytestmark = pytest.mark.e2e

BATCH, OBJECTS = 8, 440
#: A row without what tells when and in which run it was written.
FACTS = "target, key, attributor, position, size, etag, sha256, outcome, score, p, attributed"


@pytest.fixture(scope="module")
def found(toy_split: SplitGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own images, noise, and every tenth once more."""
    folder = tmp_path_factory.mktemp("found")
    count = OBJECTS * 10 // 11
    images = torch.cat([toy_split.sample(count // 2, 41), noise_images(count - count // 2, 41)])
    for index, image in enumerate(images):
        data = encode_png(image)
        (folder / f"{index * 7 % count:04d}.png").write_bytes(data)
        if index % 10 == 0:
            (folder / f"{index * 7 % count:04d}-again.png").write_bytes(data)
    return folder


def read(state: Path, columns: str) -> list[tuple[object, ...]]:
    """Rows of a SQLite ledger that may be in use; none before there is one."""
    try:
        with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as db:
            return db.execute(f"SELECT {columns} FROM rows ORDER BY position").fetchall()
    except sqlite3.OperationalError:
        return []


def batches(state: Path) -> list[tuple[object, ...]]:
    """The batches of tests, and every test's q."""
    with closing(sqlite3.connect(state)) as db:
        return [
            *db.execute("SELECT id, level, tests, decided FROM batches"),
            *db.execute("SELECT attributor, content, q FROM tested ORDER BY content"),
        ]


def logged(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def test_ten_kills(scans: Scans, toy_folder: Path, found: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("FLIPADOPS_KILL_SEED") or int.from_bytes(os.urandom(4), "big"))
    print(f"FLIPADOPS_KILL_SEED={seed}")
    source = random.Random(seed)
    command = ["scan", str(found), "-m", str(toy_folder), "--batch-size", str(BATCH),
               "--workers", "1", "--fail-on", "never", "-q", "--state"]  # fmt: skip
    whole, state = tmp_path / "whole.db", tmp_path / "killed.db"
    assert scans.wait(scans.start(*command, str(whole))) == 0

    contents = {
        hashlib.sha256(file.read_bytes()).hexdigest(): digest_of_pixels(file)
        for file in found.iterdir()
    }
    repeated: Counter[str] = Counter()
    kept: dict[object, object] = {}
    for kill in range(10):
        log = tmp_path / f"{kill}.log"
        pid = scans.start(*command, str(state), log=log)
        wanted, deadline = len(kept) + source.randint(0, 16), time.monotonic() + 60
        while len(read(state, "key")) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(source.random() * 0.05)
        os.kill(pid, signal.SIGKILL)
        assert scans.wait(pid) == -signal.SIGKILL, scans.said(pid)
        now = {key: row for key, *row in read(state, "key, at, score, sha256")}
        assert {key: now[key] for key in kept} == kept  # nothing lost, nothing written again
        known = {contents[str(sha256)] for _, _, sha256 in now.values()}
        in_flight = [digest for digest in logged(log) if digest not in known]
        assert len(in_flight) <= BATCH
        repeated.update(in_flight)
        kept = now
    assert len(kept) < len(list(found.iterdir()))

    log = tmp_path / "last.log"
    assert scans.wait(scans.start(*command, str(state), "--resume", log=log)) == 0
    assert read(state, FACTS) == read(whole, FACTS)
    assert batches(state) == batches(whole)  # the level of one scan was spent, once
    final = {key: row for key, *row in read(state, "key, at, score, sha256")}
    assert {key: final[key] for key in kept} == kept
    times = Counter(line for file in tmp_path.glob("*.log") for line in logged(file))
    assert times == Counter(set(contents.values())) + repeated


def digest_of_pixels(file: Path) -> str:
    """What the log says of an image."""
    pixels = Images((3, 16, 16)).fit(decode(file.read_bytes())).copy()
    tensor = torch.from_numpy(pixels).float() / 255
    return hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
