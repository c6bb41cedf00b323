"""What runs a scan: threads and processes here, or a Ray cluster (`scanning.ray`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from flipad_ops.common.errors import FlipadError
from flipad_ops.scanning.ledger.lookup import Kept
from flipad_ops.scanning.pipeline.pipeline import Fetched, Pipeline
from flipad_ops.scanning.pipeline.sizes import make_decoders, plumbing, sample_spaces
from flipad_ops.scanning.pipeline.work import Task, Work


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
Engine = Callable[[Task], AbstractContextManager[tuple[Source, Work]]]


@contextmanager
def local_engine(task: Task) -> Iterator[tuple[Source, Work]]:
    """Threads that read, processes that decode, and scores in this thread."""
    request, scorers = task.request, task.scorers
    spaces = sample_spaces(scorers)
    picked = request.pick()
    decoders = make_decoders(request, spaces)
    sizes = plumbing(request, spaces, request.targets)
    with Pipeline(picked, task.ledger.reader(), decoders, sizes) as pipeline:
        yield pipeline, Work(task)
