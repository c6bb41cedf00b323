"""A Ray worker's own work, without Ray: start, read, score; and what the driver makes of it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import Scorer
from flipad_ops.common.errors import AttributorCorrupt, EngineError, UsageError
from flipad_ops.common.version import __version__
from flipad_ops.samples.decode import decode
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.lanes import Lane
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.scanning.ray.calls import Entry, ReadCall
from flipad_ops.scanning.ray.cluster import joined
from flipad_ops.scanning.ray.ray_engine import ELSEWHERE, fetched
from flipad_ops.scanning.ray.ray_worker import Reading, Worker, for_workers
from flipad_ops.storage import LocalTarget, ManifestTarget
from flipad_ops.storage.target import GONE
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import Counting, png
from tests.scanning.remaking import Enlarger, own_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    root.mkdir()
    for index in range(6):
        (root / f"{index}.png").write_bytes(png(0.5, index))
    (root / "7.png").write_bytes(b"PK\x03\x04")
    return root


def worker(folder: Path, load: Callable[[str], list[Scorer]], version: str = __version__) -> Worker:
    request = ScanPlan([LocalTarget(folder)], batch_size=4, workers=0)
    return Worker(for_workers(request, "cpu"), load, "cpu", version)


def all_of(count: int) -> NDArray[np.bool_]:
    """Of a single attributor every score is wanted."""
    return np.ones((1, count), bool)


def test_reads_and_scores_what_a_lane_would(folder: Path) -> None:
    both: list[Scorer] = [DarkIsOurs(), DarkIsOurs((1, 8, 8), name="grey")]
    subject = worker(folder, lambda device: both)
    subject.start()
    target = LocalTarget(folder)
    items = list(target.list())
    readings, pixels = subject.read(target, items)
    assert [reading.item for reading in readings] == items
    assert [reading.fits for reading in readings[:6]] == [(row, row) for row in range(6)]
    assert all(isinstance(fit, str) for fit in readings[6].fits)
    expected = decode((folder / "3.png").read_bytes()).pixels.transpose(2, 0, 1)
    np.testing.assert_array_equal(pixels[0][3], expected)
    for lane, scorer in enumerate(both):
        batch = subject.score(lane, [(0, 3), (0, 1)], all_of(2), pixels)[0]
        direct = Lane(scorer, SqliteLedger(), 2).score(pixels[lane][[3, 1]])
        np.testing.assert_array_equal(batch.score, direct.score)


def test_what_a_second_witness_says_and_costs_travels_with_the_scores(folder: Path) -> None:
    subject = worker(folder, lambda device: [Enlarger()])
    subject.start()
    subject.joints[0].batch_size = 2
    shades = np.stack([own_picture(n).transpose(2, 0, 1) for n in range(3)])
    bright = np.full((2, 3, 8, 8), 250, np.uint8)
    picks = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2)]
    batch = subject.score(0, picks, all_of(5), [shades], [bright])[0]
    arrived = pickle.loads(pickle.dumps(batch))
    assert [said is not None for said in arrived.testimony] == [True, False, True, False, True]
    assert {name: images for name, (images, _) in arrived.stages.items()} == {
        "views": 5, "remake": 3,
    }  # fmt: skip


def test_remembers_how_much_memory_there_is(folder: Path) -> None:
    scorer = Counting(room=2)
    subject = worker(folder, lambda device: [scorer])
    subject.start()
    target = LocalTarget(folder)
    _, pixels = subject.read(target, list(target.list())[:6])
    for _ in range(2):
        scorer.batches.clear()
        assert (
            len(subject.score(0, [(0, row) for row in range(4)], all_of(4), pixels)[0].score) == 4
        )
        assert scorer.batches == [2, 2]
    assert subject.joints[0].batch_size == 2


def test_says_what_it_lacks_before_anything_looks_like_an_empty_folder(folder: Path) -> None:
    subject = worker(folder, lambda device: [DarkIsOurs()])
    moved = folder.rename(folder.with_name("moved"))
    with pytest.raises(EngineError, match="must see it under this path"):
        subject.start()
    with pytest.raises(EngineError, match=r"flipad_ops is .* there and 0\.0 here"):
        worker(moved, lambda device: [DarkIsOurs()], version="0.0").start()

    def corrupt(device: str) -> list[Scorer]:
        raise AttributorCorrupt("It is broken.")

    with pytest.raises(EngineError, match=r"Ray worker on .*: It is broken"):
        worker(moved, corrupt).start()


def test_a_file_that_only_the_worker_misses_is_an_error(folder: Path) -> None:
    target = LocalTarget(folder)
    item = next(iter(target.list()))
    entry = Entry(0, target, item, Reading(item, "skipped", GONE))
    assert (fetched(entry).outcome, fetched(entry).reason) == ("failed", ELSEWHERE)
    (folder / item.key).unlink()
    assert (fetched(entry).outcome, fetched(entry).reason) == ("skipped", GONE)


def test_local_targets_travel_under_their_full_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("list.csv").write_text("key\nfound/1.png\n")
    for target in (LocalTarget("found"), ManifestTarget("list.csv")):
        items = list(target.list())
        sent = pickle.dumps(target)
        monkeypatch.chdir("/")
        there = pickle.loads(sent)
        assert there.uri == target.uri
        assert there.read(items[0], 10_000).data
        monkeypatch.chdir(folder.parent)


def test_calls_are_cut_down_to_single_objects(folder: Path) -> None:
    target = LocalTarget(folder)
    entries = [Entry(n, target, item) for n, item in enumerate(target.list())]
    (last,) = ReadCall(entries[-1:], lambda count: lambda: None).split() or [None]
    assert last is None
    parts = ReadCall(entries * 3, lambda count: lambda: None).split()
    assert len(parts) == 7
    assert [e for part in parts for e in part.entries] == entries * 3  # type: ignore[attr-defined]


def test_addresses_that_nobody_answers() -> None:
    for address, reason in (("nonsense", "no address"), ("127.0.0.1:1", "No Ray cluster answers")):
        with pytest.raises(UsageError, match=reason), joined(address):
            pass


PROGRAM = """
import sys
from flipad_ops.cli.main import main
assert not [name for name in sys.modules if name.partition(".")[0] == "ray"]
sys.modules["ray"] = None  # as if it were not installed
sys.argv[0] = "flipadops"
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code"), [(["scan", ".", "-m", "d", "--engine", "ray"], 2), (["--help"], 0)]
)
def test_without_ray_there_is_one_sentence_and_help_does_not_ask(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode == code
    said = "flipadops: --engine ray needs ray: pip install 'flipad-ops[ray]'.\n"
    assert ended.stderr == (said if code else "")
