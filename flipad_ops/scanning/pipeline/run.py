"""One scan: list, read, decode, score, decide."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.allocator import loaded_left_alone
from flipad_ops.common.errors import EngineError, StateError
from flipad_ops.scanning.decisions.coverage import Coverage
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.carried_verdicts import CarriedVerdicts
from flipad_ops.scanning.outcome.row_stream import Stream
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.verdicts import Verdicts
from flipad_ops.scanning.pipeline.batches import summed
from flipad_ops.scanning.pipeline.engine import Engine, local_engine
from flipad_ops.scanning.pipeline.work import Progress, Task
from flipad_ops.scanning.plan.scan_plan import ScanPlan

__all__ = ["Progress", "ScanOutcome", "ScanPlan", "label", "run_scan"]


@loaded_left_alone()
def run_scan(
    request: ScanPlan,
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
    ledger = SqliteLedger() if ledger is None else ledger
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
        raise request.nothing()
    outcome = conclude(request, scorers, ledger, ended)
    outcome.started, outcome.seconds = started, time.perf_counter() - clock
    outcome.signal, outcome.reused = ended, work.reused
    outcome.screened = sum(lane.screened for lane in work.lanes)
    outcome.stages = summed(lane.stages for lane in work.lanes)
    if source.listing_error is not None:
        broken.append(f"The listing broke off: {source.listing_error}")
    if ledger.trouble:
        broken.append(ledger.trouble)
    outcome.broken += broken
    ledger.finish(outcome.complete)
    return outcome


def conclude(
    request: ScanPlan, scorers: Sequence[Scorer], ledger: Ledger, ended: int = 0
) -> ScanOutcome:
    """Decide over the rows of the ledger's current run; `ended`: the signal that cut it short."""
    over_time, batches = None, ledger.batches if request.yearly else None
    if batches is None:
        verdicts = Verdicts(request, scorers, ledger)
    else:
        verdicts = CarriedVerdicts(request, scorers, ledger, batches, ended)
        over_time = verdicts.over_time
    counts = ledger.counts()
    outcome = ScanOutcome(
        request=request,
        findings=verdicts.findings(),
        suspects=verdicts.suspects(),
        skipped=Stream(lambda: ledger.rows("skipped"), counts["skipped"]),
        failed=Stream(lambda: ledger.rows("failed"), counts["failed"]),
        unconverged=counts["unconverged"],
        stating=ledger.stating,
        coverage=Coverage.of(*ledger.objects()),
        tests=verdicts.family.tests,
        scored=verdicts.scored(),
        listed=request.listed["objects"] if request.selection.sample is not None else 0,
        over_time=over_time,
        cards={label(scorer): scorer.card for scorer in scorers},
        prefixes=verdicts.prefix_tests(),
        floors={label(scorer): scorer.p_floor for scorer in scorers},
        started="",
        seconds=0.0,
    )
    outcome.warnings += verdicts.warnings()
    return outcome
