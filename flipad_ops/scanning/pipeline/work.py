"""The consumer of a scan's results: rows into the ledger, pixels into the lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flipad_ops.attribution.scorer import Scorer
from flipad_ops.provenance import NOTHING
from flipad_ops.scanning.decisions.records import Row, replace_row
from flipad_ops.scanning.ledger.ledger import Ledger
from flipad_ops.scanning.ledger.lookup import Kept
from flipad_ops.scanning.pipeline.lanes import Lane
from flipad_ops.scanning.pipeline.pipeline import Fetched
from flipad_ops.scanning.pipeline.sharing import make_lanes
from flipad_ops.scanning.pipeline.sizes import sample_spaces
from flipad_ops.scanning.plan.scan_plan import ScanPlan

COMMIT_SECONDS = 1.0

#: Called with (done, found so far).
Progress = Callable[[int, int], None]
#: The signal that should end the scan; 0 goes on.
Stop = Callable[[], int]


@dataclass(frozen=True)
class Task:
    """A scan as an engine sees it."""

    request: ScanPlan
    scorers: list[Scorer]
    ledger: Ledger
    progress: Progress
    stop: Stop


class Work:
    """Takes results in listing order.

    Parameters
    ----------
    task : Task
    lanes : sequence of Lane, optional
        One per scorer.
    """

    def __init__(self, task: Task, lanes: Sequence[Lane] | None = None) -> None:
        self.ledger, self.progress = task.ledger, task.progress
        self.lanes = lanes or make_lanes(task.scorers, task.ledger, task.request.batch_size)
        spaces = sample_spaces(task.scorers)
        self.places = [spaces.index(lane.space) for lane in self.lanes]
        self.done = self.reused = self.known = 0

    def take(self, result: Fetched | Kept | None) -> None:
        """One result of the pipeline."""
        if isinstance(result, Kept):
            self.known += self.ledger.keep(result.target, result.keys)
            self.done += len(result.keys)
            self.reused += len(result.keys)
        elif result is not None:
            self._take_fetched(result)
            self.done += 1
        self.ledger.commit(every=COMMIT_SECONDS)
        self.tell()

    def flush(self) -> None:
        """Score what is left."""
        for lane in self.lanes:
            lane.flush()
        self.tell()

    def tell(self) -> None:
        """Progress, with what the ledger knew."""
        self.progress(self.done, self.known + sum(lane.found for lane in self.lanes))

    def _take_fetched(self, got: Fetched) -> None:
        item = got.item
        for lane, place in zip(self.lanes, self.places, strict=True):
            row = Row(
                item.key, got.target.uri, item.size, "scored", lane.name,
                sha256=got.sha256, etag=item.etag,
                stated=NOTHING if got.decoded is None else got.decoded.stated,
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
