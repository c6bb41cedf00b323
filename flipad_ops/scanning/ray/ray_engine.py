"""The driver of a scan on Ray."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from flipad_ops.common.errors import FlipadError, UsageError
from flipad_ops.common.version import __version__
from flipad_ops.samples.decoder import Decoded
from flipad_ops.scanning.ledger.lookup import Kept
from flipad_ops.scanning.pipeline.engine import Source
from flipad_ops.scanning.pipeline.pipeline import Fetched
from flipad_ops.scanning.pipeline.sizes import sample_spaces, window
from flipad_ops.scanning.pipeline.work import Task, Work
from flipad_ops.scanning.ray.calls import LOST, Call, Entry, Image, ReadCall, ScoreCall
from flipad_ops.scanning.ray.cluster import joined
from flipad_ops.scanning.ray.crew import Crew
from flipad_ops.scanning.ray.listing import Listing
from flipad_ops.scanning.ray.ray_lanes import RemoteGroup, remote_lanes
from flipad_ops.scanning.ray.ray_worker import Loader, Reading, Worker, for_workers
from flipad_ops.storage.target import GONE

#: Objects read in one call.
CHUNK = 64
#: Machines that may be lost in a row with the pixels of one batch.
LOSSES = 3
ELSEWHERE = "The worker did not find it, though it is there on the scanning machine."


class RayEngine:
    """Runs scans on a Ray cluster; an `Engine`.

    Parameters
    ----------
    loader : callable
        Gives the attributors on a device; it must be picklable.
    device : str
        "cpu", or "cuda" for a GPU per worker.
    workers : int, optional
        As many as the cluster has CPUs or GPUs if not given.
    address : str
        HOST:PORT; empty starts a cluster on this machine.
    """

    def __init__(
        self, loader: Loader, device: str = "cpu", workers: int | None = None, address: str = ""
    ) -> None:
        self.loader, self.workers, self.address = loader, workers, address
        self.device = "cuda" if device.startswith("cuda") else device

    @contextmanager
    def __call__(self, task: Task) -> Iterator[tuple[Source, Work]]:
        """Join the cluster, and leave it when the block ends."""
        cpus = self.workers if self.device == "cpu" else None
        with joined(self.address, cpus) as ray:
            needs = {"num_gpus": 1} if self.device == "cuda" else {"num_cpus": 1}
            size = self.workers or self._capacity(ray)
            actor = ray.remote(concurrency_groups={"read": 1, "score": 1})(Worker)
            request = ray.put(for_workers(task.request, self.device))
            loader = ray.put(self.loader)

            def hire() -> Any:
                placed = actor.options(max_restarts=0, max_task_retries=0, **needs)
                return placed.remote(request, loader, self.device, __version__)

            source = RemoteSource(task, ray, hire, size)
            try:
                yield source, source.work
            finally:
                source.close()

    def _capacity(self, ray: Any) -> int:
        kind = "GPU" if self.device == "cuda" else "CPU"
        count = int(ray.cluster_resources().get(kind, 0))
        if count < 1:
            raise UsageError(f"The Ray cluster has no {kind} for --device {self.device}.")
        return count


class RemoteSource:
    """Lists, has objects read, and gives them out in listing order, as `Pipeline` does.

    Parameters
    ----------
    task : Task
    ray : module
    hire : callable
        Makes an actor.
    size : int
        Workers.
    """

    def __init__(self, task: Task, ray: Any, hire: Callable[[], Any], size: int) -> None:
        self.crew = Crew(ray, hire, size, self._gone)
        self.work = RemoteWork(task, self.crew)
        self.places = self.work.places
        self._window = window(task.request, sample_spaces(task.scorers), size)
        self._chunk = min(CHUNK, task.request.batch_size)
        self._held = 0
        self._line: deque[Kept | Entry] = deque()
        self._listing = Listing(task)
        self._listing.start()

    @property
    def listing_error(self) -> FlipadError | None:
        """Why the listing broke off, if it did."""
        return self._listing.error

    def results(self, stop: Callable[[], bool]) -> Iterator[Fetched | Kept | None]:
        """In listing order; None now and then, so that the caller can look around."""
        while not stop():
            self._feed()
            while self._line:
                first = self._line[0]
                if isinstance(first, Entry) and first.reading is None:
                    break
                if stop():  # many may be ready at once
                    return
                self._line.popleft()
                yield first if isinstance(first, Kept) else fetched(first)
                del first  # it may be the last to hold its pixels
            if not self._line and self._listing.ended:
                return
            if not self.crew.idle:
                self.crew.step(0.1)
            yield None

    def close(self) -> None:
        """End listing and workers."""
        self._listing.closing.set()
        self.crew.close()
        self._listing.join(5)  # a daemon: one that hangs in a dead connection is left

    def _feed(self) -> None:
        """Have more objects read while the window allows."""
        while self.crew.room("read") and (self._held < self._window or self.crew.idle):
            listed = self._listing.take(wait=self.crew.idle and not self._line)
            if listed is None:
                return
            if listed.kept.keys:
                self._line.append(listed.kept)
            entries = [Entry(place, listed.target, item) for place, item in listed.new]
            self._line.extend(entries)
            for start in range(0, len(entries), self._chunk):
                self.crew.submit(ReadCall(entries[start : start + self._chunk], self._hold))

    def _hold(self, count: int) -> Callable[[], None]:
        self._held += count

        def release() -> None:
            self._held -= count

        return release

    def _gone(self, call: Call) -> None:
        """Read the images of a batch again whose pixels went with a machine."""
        if not isinstance(call, ScoreCall):  # its answer was lost
            self.crew.submit(call, first=True)
            return
        call.losses += 1
        if call.losses > LOSSES:
            call.group.lost(call.images, LOST)
            return
        lanes = cast(RemoteGroup, call.group).lanes
        place, left = self.places[self.work.lanes.index(lanes[0])], [len(call.images)]
        found: list[Image] = []

        def after(image: Image, fresh: Entry) -> None:
            left[0] -= 1
            reading = cast(Reading, fresh.reading)
            row = reading.fits[place] if reading.fits else ""
            if reading.sha256 == image.sha256 and isinstance(row, int):
                image.entry, image.row = fresh, row
                found.append(image)
            else:
                call.group.lost([image], LOST)
            if left[0] == 0 and found:
                call.images = found
                self.crew.submit(call, first=True)

        for image in call.images:
            old = image.entry
            fresh = Entry(old.position, old.target, old.item)
            self.crew.submit(
                ReadCall([fresh], self._hold, lambda i=image, e=fresh: after(i, e)),  # type: ignore[misc]
                first=True,
            )


class RemoteWork(Work):
    """Rows into the ledger, batches to the crew."""

    def __init__(self, task: Task, crew: Crew) -> None:
        super().__init__(task, remote_lanes(task, crew.submit))
        self.crew, self.stop = crew, task.stop

    def flush(self) -> None:
        """Send off what is left, and wait for all that is under way."""
        for lane in self.lanes:
            lane.flush()
        while not self.crew.idle and not self.stop():
            self.crew.step(0.1)
            self.tell()


def fetched(entry: Entry) -> Fetched:
    """What a lane takes: in place of pixels it says where they are."""
    reading = cast(Reading, entry.reading)
    outcome, reason = reading.outcome, reading.reason
    if reason == GONE and entry.target.is_here(entry.item):  # then the folder is not shared
        outcome, reason = "failed", ELSEWHERE
    fits = tuple(fit if isinstance(fit, str) else (entry, fit) for fit in reading.fits)
    notes, stated = reading.notes, reading.stated
    decoded = Decoded(cast(Any, fits), notes=notes, stated=stated) if fits else None
    return Fetched(
        entry.position, entry.target, reading.item, outcome, reason, reading.sha256, decoded
    )
