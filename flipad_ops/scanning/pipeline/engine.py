"""What runs a scan: threads and processes here (`run.local_engine`), or a Ray cluster (`ray`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flipad_ops.attribution.scorer import Scorer
from flipad_ops.common.errors import FlipadError
from flipad_ops.scanning.ledger.lookup import Kept
from flipad_ops.scanning.ledger.sqlite_ledger import Ledger
from flipad_ops.scanning.pipeline.pipeline import Fetched
from flipad_ops.scanning.plan.scan_request import ScanRequest

if TYPE_CHECKING:
    from flipad_ops.scanning.pipeline.run import Work

#: Called with (done, found so far).
Progress = Callable[[int, int], None]
#: The signal that should end the scan; 0 goes on.
Stop = Callable[[], int]


@dataclass(frozen=True)
class Task:
    """A scan as an engine sees it."""

    request: ScanRequest
    scorers: list[Scorer]
    ledger: Ledger
    progress: Progress
    stop: Stop


class Source(Protocol):
    """Where results come from."""

    @property
    def listing_error(self) -> FlipadError | None:
        """Why the listing broke off, if it did."""
        ...

    def results(self, stop: Callable[[], bool]) -> Iterator[Fetched | Kept | None]:
        """In listing order; None now and then, so that the caller can look around."""
        ...


#: Gives the source of a scan and what takes its results, for as long as the block runs.
Engine = Callable[[Task], AbstractContextManager[tuple[Source, "Work"]]]
