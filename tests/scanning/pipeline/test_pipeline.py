"""The overlapping engine gives what a plain loop gives, whatever finishes first or dies."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.attribution.scorer import ScoreBatch
from flipad_ops.common.errors import ImageError, InversionError, TargetError
from flipad_ops.samples.decode import DecodeLimits, decode
from flipad_ops.samples.decoder import Decoded, DecodeJob, InlineDecoder
from flipad_ops.samples.decoding_client import WorkerDecoder
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline import pipeline, sizes
from flipad_ops.scanning.pipeline.budget import Budget
from flipad_ops.scanning.pipeline.pipeline import Pipeline, Plumbing
from flipad_ops.scanning.pipeline.run import ScanOutcome, ScanPlan, run_scan
from flipad_ops.storage import Content, Item, Target
from tests.scanning.fakes import DarkIsOurs


def png(level: float, seed: int, size: int = 8) -> bytes:
    noise = np.random.default_rng(seed).normal(level, 0.02, (size, size, 3))
    return encode_png((noise.clip(0, 1) * 255).astype(np.uint8))


class Slow(Target):
    """Objects in memory whose reads take random times and sometimes fail."""

    uri, concurrency = "slow", 8

    def __init__(self, objects: dict[str, bytes], broken: frozenset[str] = frozenset()) -> None:
        self.objects, self.broken, self.reads = objects, broken, list[str]()

    def list(self) -> Iterator[Item]:
        for key, data in self.objects.items():
            yield Item(key, len(data), 0.0, hashlib.md5(data).hexdigest())

    def read(self, item: Item, max_bytes: int) -> Content:
        time.sleep(hash(item.key) % 7 / 1000)
        self.reads.append(item.key)
        if item.key in self.broken:
            raise TargetError("Broken.")
        data = self.objects[item.key]
        return Content(data, hashlib.md5(data).hexdigest())


@pytest.fixture
def target() -> Slow:
    objects = {f"{i:03d}.png": png(0.05 if i % 5 == 0 else 0.7, i) for i in range(120)}
    objects |= {f"x{i}.png": b"PK\x03\x04" * i for i in range(3)}
    objects |= {"large.png": png(0.5, 7, size=9), "again.png": objects["005.png"]}
    return Slow(objects, frozenset({"010.png"}))


def plain(target: Slow, scorer: DarkIsOurs) -> dict[str, float]:
    """The same scan as a loop."""
    scores = {}
    for key, data in target.objects.items():
        try:
            pixels = scorer.space.fit(decode(data)).copy()
        except ImageError:
            continue
        if key not in target.broken:
            scores[key] = float(scorer.score(torch.from_numpy(pixels)[None].float() / 255).score[0])
    return scores


def rows(outcome: ScanOutcome) -> list[Row]:
    return [*(f.row for f in outcome.findings), *outcome.skipped, *outcome.failed]


@pytest.mark.parametrize("workers", [0, 2])
def test_engine_equals_a_plain_loop(target: Slow, workers: int) -> None:
    scorers = [DarkIsOurs(), DarkIsOurs((1, 8, 8), name="grey"), DarkIsOurs((3, 9, 9), name="9x9")]
    request = ScanPlan([target], batch_size=7, workers=workers)
    outcome = run_scan(request, scorers)
    for scorer in scorers:
        found = [f.row for f in outcome.findings if f.row.attributor == f"{scorer.name}/1"]
        assert {row.key: row.score for row in found} == pytest.approx(plain(target, scorer))
        assert [row.key for row in found] == [
            k for k in target.objects if k in {r.key for r in found}
        ]
    assert len(target.reads) == len(target.objects)
    assert {row.key for row in outcome.failed} == {"010.png"}
    assert not outcome.complete


def test_order_and_bits_do_not_depend_on_timing(target: Slow) -> None:
    request = ScanPlan([target], batch_size=16, workers=0)
    assert rows(run_scan(request, [DarkIsOurs()])) == rows(run_scan(request, [DarkIsOurs()]))


class Starting(InlineDecoder):
    """Counts its starts."""

    starts = 0

    def start(self) -> None:
        self.starts += 1


@pytest.mark.parametrize("seen_before", [False, True])
def test_decoders_start_ahead_unless_nothing_may_have_changed(
    target: Slow, tmp_path: Path, seen_before: bool
) -> None:
    ledger = SqliteLedger(tmp_path / "s.db")
    for _ in range(1 + seen_before):
        ledger.begin({})
    decoder = Starting(DecodeJob((Images((3, 8, 8)),), "reject", DecodeLimits()))
    plumbing = Plumbing(fetchers=2, window=8, max_bytes=1000)
    picked = [(target, item) for item in target.list()]
    with Pipeline(picked, ledger.reader(), [decoder], plumbing) as running:
        assert sum(result is not None for result in running.results(lambda: False)) == len(picked)
    assert decoder.starts == (not seen_before)
    ledger.close()


class Ponderous(InlineDecoder):
    """Takes its time, and counts what it decodes."""

    done = 0

    def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
        for decoded in super().decode(blobs):
            time.sleep(0.01)
            self.done += 1
            yield decoded


@pytest.mark.parametrize("busy", [0.0, 1e9], ids=["crowded", "at ease"])
def test_further_decoders_start_once_objects_wait_for_long(
    target: Slow, busy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "BUSY", busy)
    monkeypatch.setattr(pipeline, "LOADING", 0.0)
    job = DecodeJob((Images((3, 8, 8)),), "reject", DecodeLimits())
    first, second = Ponderous(job), Ponderous(job)
    plumbing = Plumbing(fetchers=8, window=200, max_bytes=1000)
    picked = [(target, item) for item in target.list()]
    with Pipeline(picked, None, [first, second], plumbing) as running:
        assert sum(result is not None for result in running.results(lambda: False)) == len(picked)
    assert first.done + second.done == len(picked) - 1  # one is broken
    assert (second.done > 0) == (busy == 0)


def test_prefixes_count_what_the_findings_say(target: Slow) -> None:
    objects = {f"{'ba'[i % 2]}/{key}": data for i, (key, data) in enumerate(target.objects.items())}
    outcome = run_scan(ScanPlan([Slow(objects)], workers=0, fdr=0.1), [DarkIsOurs()])
    tests = {test.prefix: test for test in outcome.prefixes["dark/1"]}
    assert sorted(tests) == ["a", "b"]
    for prefix, test in tests.items():
        inside = [f for f in outcome.findings if f.row.key.startswith(f"{prefix}/")]
        assert test.scanned == len(inside)
        assert test.attributed == sum(f.row.attributed or False for f in inside)
        assert test.leaks == sum(f.verdict == "leak" for f in inside) > 0


class Counting(DarkIsOurs):
    """Counts images; fails as a GPU does when the batch is over `room`."""

    def __init__(self, room: int = 1000) -> None:
        super().__init__()
        self.room, self.batches = room, list[int]()

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        if len(pixels) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        self.batches.append(len(pixels))
        return super().score(pixels, residual)


def test_out_of_memory_halves_the_batch_for_good(target: Slow) -> None:
    scorer = Counting(room=10)
    outcome = run_scan(ScanPlan([target], batch_size=64, workers=0), [scorer])
    assert max(scorer.batches) == 8
    assert rows(outcome) == rows(
        run_scan(ScanPlan([target], batch_size=8, workers=0), [DarkIsOurs()])
    )


def test_the_same_bytes_are_scored_once() -> None:
    target = Slow({f"{i}.png": png(0.05, i % 3) for i in range(30)})
    scorer = Counting()
    outcome = run_scan(ScanPlan([target], batch_size=2, workers=0), [scorer])
    assert sum(scorer.batches) == 3
    assert len(outcome.findings) == 30


def test_an_image_without_a_score_fails_alone(target: Slow) -> None:
    class Moody(DarkIsOurs):
        def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
            if bool((pixels.mean(dim=(1, 2, 3)) < 0.2).any() and (pixels < self.worst).any()):
                raise InversionError("No finite score.")
            return super().score(pixels, residual)

    scorer = Moody()
    scorer.worst = 0.0  # type: ignore[attr-defined]
    plain_outcome = run_scan(ScanPlan([target], batch_size=16, workers=0), [scorer])
    dark = [f.row for f in plain_outcome.findings if f.row.attributed]
    scorer.worst = 1.0  # type: ignore[attr-defined]
    outcome = run_scan(ScanPlan([target], batch_size=16, workers=0), [scorer])
    assert {row.key for row in dark} <= {row.key for row in outcome.failed}
    assert not outcome.complete
    assert len(outcome.findings) == len(plain_outcome.findings) - len(dark)


def test_images_ruled_out_without_inversion_are_counted(target: Slow) -> None:
    class Screening(DarkIsOurs):
        def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
            batch = super().score(pixels, residual)
            return replace(batch, screened=~batch.attributed)

    outcome = run_scan(ScanPlan([target], workers=0), [Screening()])
    clear = {f.row.sha256 for f in outcome.findings if not f.row.attributed}
    assert outcome.screened == len(clear) > 0


def test_other_errors_of_a_scorer_end_the_scan(target: Slow) -> None:
    class Wrong(DarkIsOurs):
        def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
            raise RuntimeError("shape mismatch")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="shape mismatch"):
        run_scan(ScanPlan([target], workers=1), [Wrong()])
    assert threading.active_count() == before


def test_a_broken_listing_keeps_what_was_found_and_is_never_complete(target: Slow) -> None:
    class HalfListed(Slow):
        def list(self) -> Iterator[Item]:
            yield from list(super().list())[:40]
            raise TargetError("Access denied.")

    outcome = run_scan(ScanPlan([HalfListed(target.objects)], workers=0), [DarkIsOurs()])
    assert len(outcome.findings) == 40
    assert "Access denied" in outcome.broken[0]
    assert not outcome.complete


def test_a_stop_signal_ends_the_scan_between_batches(target: Slow) -> None:
    seen: list[int] = []
    request = ScanPlan([target], batch_size=4, workers=0)
    outcome = run_scan(
        request,
        [DarkIsOurs()],
        lambda done, found: seen.append(done),
        stop=lambda: signal.SIGTERM if seen and seen[-1] >= 20 else 0,
    )
    assert outcome.signal == signal.SIGTERM
    assert 0 < len(outcome.findings) < 60


def test_a_hanging_read_does_not_keep_a_stopped_scan_from_ending(target: Slow) -> None:
    release = threading.Event()

    class Hanging(Slow):
        def read(self, item: Item, max_bytes: int) -> Content:
            release.wait(60)
            return super().read(item, max_bytes)

    asked = iter([0] * 3)
    request = ScanPlan([Hanging(target.objects)], workers=0)
    outcome = run_scan(request, [DarkIsOurs()], stop=lambda: next(asked, signal.SIGINT))
    assert not release.is_set()
    release.set()
    assert outcome.signal == signal.SIGINT


JOB = DecodeJob((Images((3, 8, 8)),), "reject", DecodeLimits())


def test_a_killed_worker_costs_one_image() -> None:
    decoder = WorkerDecoder(JOB)
    replies = decoder.decode([png(0.5, i) for i in range(6)])
    try:
        first = next(replies)
        assert not first.died
        assert decoder.pid is not None
        os.kill(decoder.pid, signal.SIGKILL)
        rest = list(replies)
        assert len(rest) == 5
        assert sum(bool(reply.died) for reply in rest) <= 1
    finally:
        decoder.close()


def test_a_stopped_worker_is_timed_out_and_replaced() -> None:
    decoder = WorkerDecoder(JOB, seconds=0.5)
    try:
        assert not next(decoder.decode([png(0.5, 0)])).died
        assert decoder.pid is not None
        os.kill(decoder.pid, signal.SIGSTOP)
        first, second = decoder.decode([png(0.5, 1), png(0.5, 2)])
        assert "took over 0.5 s" in first.died
        assert not second.died
    finally:
        decoder.close()


def test_an_image_that_kills_its_decoder_is_an_error_not_a_clean_skip(
    target: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mortal(InlineDecoder):
        def __init__(self, job: DecodeJob, seconds: float) -> None:
            super().__init__(job)

        def decode(self, blobs: Sequence[bytes]) -> Iterator[Decoded]:
            for data in blobs:
                killer = data == target.objects["020.png"]
                yield Decoded(("It died.",), "It died.") if killer else self.job.run(data)

    monkeypatch.setattr(sizes, "WorkerDecoder", Mortal)
    outcome = run_scan(ScanPlan([target], workers=1, max_errors=1), [DarkIsOurs()])
    assert {row.key: row.reason for row in outcome.failed} == {
        "010.png": "Broken.",
        "020.png": "It died.",
    }
    assert not outcome.complete


def test_a_decoder_closed_by_another_thread_starts_no_other_process() -> None:
    """As when a scan ends by an error in the middle of a batch."""
    decoder = WorkerDecoder(JOB)
    many = [png(0.5, i) for i in range(50)]
    replies = decoder.decode(many)
    assert not next(replies).died
    closing = threading.Thread(target=decoder.close)
    closing.start()
    with suppress(RuntimeError):  # unless all were through
        list(replies)
    closing.join()
    with pytest.raises(RuntimeError, match="closed"):
        next(decoder.decode(many))
    assert decoder.pid is None


def test_budget_bounds_what_is_held() -> None:
    budget = Budget(100)
    assert budget.take(500) == 100
    waiter = threading.Thread(target=lambda: budget.take(10))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    budget.give(100)
    waiter.join(5)
    assert not waiter.is_alive()


def test_workers_do_not_run_code_of_the_folder_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("open('owned', 'w')")
    monkeypatch.chdir(tmp_path)
    decoder = WorkerDecoder(JOB)
    try:
        assert not next(decoder.decode([png(0.5, 0)])).died
    finally:
        decoder.close()
    assert not (tmp_path / "owned").exists()


def test_workers_have_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a key")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a password")
    decoder = WorkerDecoder(JOB)
    try:
        assert not next(decoder.decode([png(0.5, 0)])).died
        assert decoder._process is not None
        environment = Path(f"/proc/{decoder._process.pid}/environ").read_bytes()
    finally:
        decoder.close()
    assert b"PATH=" in environment
    assert b"a key" not in environment
    assert b"a password" not in environment
