"""One scan: list, read, decode, score, decide."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flipad_ops.errors import NothingToScan, StateError
from flipad_ops.images.decoder import DecodeJob, Decoder, InlineDecoder
from flipad_ops.images.worker_client import WorkerDecoder
from flipad_ops.scanning.lanes import Lane
from flipad_ops.scanning.ledger import Ledger
from flipad_ops.scanning.outcome import ScanOutcome, Stream
from flipad_ops.scanning.pipeline import Fetched, Kept, Pipeline, Plumbing
from flipad_ops.scanning.records import Row, replace_row
from flipad_ops.scanning.request import ScanRequest
from flipad_ops.scanning.scorer import Scorer, label
from flipad_ops.scanning.verdicts import Verdicts

#: Called with (done, found so far).
Progress = Callable[[int, int], None]

#: Decoded pixels waiting to be scored, in bytes, decide how many objects may be under way.
PIXEL_BYTES = 256_000_000
COMMIT_SECONDS = 1.0

__all__ = ["Progress", "ScanOutcome", "ScanRequest", "label", "run_scan"]


def run_scan(
    request: ScanRequest,
    scorers: Sequence[Scorer],
    progress: Progress = lambda done, found: None,
    *,
    ledger: Ledger | None = None,
    stop: Callable[[], int] = lambda: 0,
) -> ScanOutcome:
    """Scan every target with every scorer; listing, reading and decoding are shared.

    Parameters
    ----------
    ledger : Ledger, optional
        Where rows are kept; objects it knows at their ETag are not read again.
    stop : callable
        Asked between batches for the signal that should end the scan; 0 goes on.

    Raises
    ------
    TargetError
        A target cannot be listed at all.
    NothingToScan
        The targets hold nothing that was chosen.
    StateError
        The ledger was made for other models or filters.
    """
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    ledger = Ledger() if ledger is None else ledger
    names = [label(scorer) for scorer in scorers]
    if len(set(names)) < len(names):
        raise StateError("An attributor is named twice.")
    ledger.begin(request.fingerprint({label(s): s.card.attributor_sha256 for s in scorers}))
    work = _Work(scorers, ledger, request, progress)
    with _pipeline(request, scorers, ledger) as pipeline:
        try:
            for result in pipeline.results(lambda: stop() != 0):
                work.take(result)
            ended = stop()
            if not ended:
                work.flush()
        except KeyboardInterrupt:
            ended = int(signal.SIGINT)
        finally:
            ledger.commit()
    if work.done == 0 and not ended:
        if pipeline.listing_error is not None:
            raise pipeline.listing_error
        raise NothingToScan(f"Nothing to scan in {', '.join(t.uri for t in request.targets)}.")
    outcome = conclude(request, scorers, ledger)
    outcome.started, outcome.seconds = started, time.perf_counter() - clock
    outcome.signal, outcome.reused = ended, work.reused
    outcome.screened = sum(lane.screened for lane in work.lanes)
    if pipeline.listing_error is not None:
        outcome.broken.append(f"The listing broke off: {pipeline.listing_error}")
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


def _pipeline(request: ScanRequest, scorers: Sequence[Scorer], ledger: Ledger) -> Pipeline:
    shapes = tuple(dict.fromkeys(scorer.image_shape for scorer in scorers))
    job = DecodeJob(shapes, request.size_rule, request.limits)
    decoders: list[Decoder] = [
        WorkerDecoder(job, request.decode_seconds) for _ in range(request.processes)
    ] or [InlineDecoder(job)]
    image = max(1, sum(c * h * w for c, h, w in shapes))
    plumbing = Plumbing(
        fetchers=max(target.concurrency for target in request.targets),
        window=max(2 * request.batch_size, min(4 * request.batch_size + 64, PIXEL_BYTES // image)),
        max_bytes=request.limits.max_bytes,
    )
    picked = request.selection.pick(request.targets)
    return Pipeline(picked, ledger.reader(), len(scorers), decoders, plumbing)


class _Work:
    """The consumer's side: rows into the ledger, pixels into the lanes."""

    def __init__(
        self, scorers: Sequence[Scorer], ledger: Ledger, request: ScanRequest, progress: Progress
    ) -> None:
        self.ledger, self.progress = ledger, progress
        self.lanes = [Lane(scorer, ledger, request.batch_size) for scorer in scorers]
        shapes = list(dict.fromkeys(lane.shape for lane in self.lanes))
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
                lane.add(row, got.position, fit)
