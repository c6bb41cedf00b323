"""One scan: list, read, decode, score, decide."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.errors import EngineError, NothingToScan, StateError
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.decisions.verdicts import Verdicts
from flipad_ops.scanning.ledger.lookup import Kept
from flipad_ops.scanning.ledger.sqlite_ledger import Ledger
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome, Stream
from flipad_ops.scanning.pipeline.engine import Engine, Progress, Source, Task
from flipad_ops.scanning.pipeline.lanes import Lane
from flipad_ops.scanning.pipeline.pipeline import Fetched, Pipeline
from flipad_ops.scanning.pipeline.sharing import make_lanes
from flipad_ops.scanning.plan.scan_request import ScanRequest
from flipad_ops.scanning.plan.setup import image_shapes, make_decoders, plumbing

COMMIT_SECONDS = 1.0

__all__ = ["Progress", "ScanOutcome", "ScanRequest", "label", "run_scan"]


def run_scan(
    request: ScanRequest,
    scorers: Sequence[Scorer],
    progress: Progress = lambda done, found: None,
    *,
    ledger: Ledger | None = None,
    stop: Callable[[], int] = lambda: 0,
    engine: Engine | None = None,
) -> ScanOutcome:
    """Scan every target with every scorer; listing, reading and decoding are shared.

    Parameters
    ----------
    ledger : Ledger, optional
        Where rows are kept; objects it knows at their ETag are not read again.
    stop : callable
        Asked between batches for the signal that should end the scan; 0 goes on.
    engine : callable, optional
        What reads, decodes and scores; `local_engine` if not given.

    Raises
    ------
    TargetError
        A target cannot be listed at all.
    NothingToScan
        The targets hold nothing that was chosen.
    StateError
        The ledger was made for other models or filters.
    EngineError
        The engine broke down before it had done anything.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    ledger = Ledger() if ledger is None else ledger
    names = [label(scorer) for scorer in scorers]
    if len(set(names)) < len(names):
        raise StateError("An attributor is named twice.")
    ledger.begin(request.fingerprint({label(s): s.card.attributor_sha256 for s in scorers}))
    ended, broken = 0, list[str]()
    task = Task(request, list(scorers), ledger, progress, stop)
    with (engine or local_engine)(task) as (source, work):
        try:
            for result in source.results(lambda: stop() != 0):
                work.take(result)
            if not stop():
                work.flush()
            ended = stop()
        except KeyboardInterrupt:
            ended = int(signal.SIGINT)
        except EngineError as error:
            if work.done == 0:
                raise
            broken.append(str(error))
        finally:
            ledger.settle()
    if work.done == 0 and not ended:
        if source.listing_error is not None:
            raise source.listing_error
        raise NothingToScan(f"Nothing to scan in {', '.join(t.uri for t in request.targets)}.")
    outcome = conclude(request, scorers, ledger)
    outcome.started, outcome.seconds = started, time.perf_counter() - clock
    outcome.signal, outcome.reused = ended, work.reused
    outcome.screened = sum(lane.screened for lane in work.lanes)
    if source.listing_error is not None:
        broken.append(f"The listing broke off: {source.listing_error}")
    if ledger.trouble:
        broken.append(ledger.trouble)
    outcome.broken += broken
    ledger.finish(outcome.complete)
    return outcome


def conclude(request: ScanRequest, scorers: Sequence[Scorer], ledger: Ledger) -> ScanOutcome:
    """Decide over the rows of the ledger's current run."""
    judged = {label(scorer): Verdicts(request, scorer, ledger) for scorer in scorers}
    counts = ledger.counts()
    outcome = ScanOutcome(
        request=request,
        findings=Stream.chain([verdicts.findings() for verdicts in judged.values()]),
        suspects=Stream.chain([verdicts.suspects() for verdicts in judged.values()]),
        skipped=Stream(lambda: ledger.rows("skipped"), counts["skipped"]),
        failed=Stream(lambda: ledger.rows("failed"), counts["failed"]),
        unconverged=counts["unconverged"],
        cards={label(scorer): scorer.card for scorer in scorers},
        prefixes={name: verdicts.prefix_tests() for name, verdicts in judged.items()},
        floors={label(scorer): scorer.p_floor for scorer in scorers},
        started="",
        seconds=0.0,
    )
    outcome.warnings += filter(None, (verdicts.warning() for verdicts in judged.values()))
    return outcome


@contextmanager
def local_engine(task: Task) -> Iterator[tuple[Source, Work]]:
    """Threads that read, processes that decode, and scores in this thread."""
    request, scorers = task.request, task.scorers
    shapes = image_shapes(scorers)
    picked = request.selection.pick(request.targets)
    decoders = make_decoders(request, shapes)
    sizes = plumbing(request, shapes, request.targets)
    with Pipeline(picked, task.ledger.reader(), decoders, sizes) as pipeline:
        yield pipeline, Work(task)


class Work:
    """The consumer's side: rows into the ledger, pixels into the lanes.

    Parameters
    ----------
    task : Task
    lanes : sequence of Lane, optional
        One per scorer.
    """

    def __init__(self, task: Task, lanes: Sequence[Lane] | None = None) -> None:
        self.ledger, self.progress = task.ledger, task.progress
        self.lanes = lanes or make_lanes(task.scorers, task.ledger, task.request.batch_size)
        shapes = image_shapes(task.scorers)
        self.places = [shapes.index(lane.shape) for lane in self.lanes]
        self.done = self.reused = 0

    def take(self, result: Fetched | Kept | None) -> None:
        """One result of the pipeline."""
        if isinstance(result, Kept):
            self.ledger.keep(result.target, result.keys)
            self.done += len(result.keys)
            self.reused += len(result.keys)
        elif result is not None:
            self._take_fetched(result)
            self.done += 1
        self.ledger.commit(every=COMMIT_SECONDS)
        self.progress(self.done, sum(lane.found for lane in self.lanes))

    def flush(self) -> None:
        """Score what is left."""
        for lane in self.lanes:
            lane.flush()
        self.progress(self.done, sum(lane.found for lane in self.lanes))

    def _take_fetched(self, got: Fetched) -> None:
        item = got.item
        for lane, place in zip(self.lanes, self.places, strict=True):
            row = Row(
                item.key, got.target.uri, item.size, "scored", lane.name,
                sha256=got.sha256, etag=item.etag,
            )  # fmt: skip
            fit = got.reason if got.decoded is None else got.decoded.fits[place]
            if got.outcome or isinstance(fit, str):
                reason = got.reason or str(fit)
                outcome = got.outcome or "skipped"
                self.ledger.add(replace_row(row, outcome=outcome, reason=reason), got.position)
            else:
                notes = got.decoded.notes if got.decoded is not None else ()
                noted = replace_row(row, reason=notes[place]) if notes else row
                lane.add(noted, got.position, fit)
