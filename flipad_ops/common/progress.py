"""Progress on stderr: a bar on a terminal, otherwise a line every half minute."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flipad_ops.common.shown_text import printable

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two lines when stderr is no terminal.
INTERVAL = 30.0
#: Seconds over which a rate is taken.
WINDOW = 60.0


class ScanProgress:
    """How far a scan is: called with (done, found), those of earlier runs included.

    Parameters
    ----------
    noun : str
        What is counted.
    show : callable
        Takes the sentence, the number done and the total, None where it is not known.
    """

    def __init__(self, noun: str, show: Callable[[str, int, int | None], None]) -> None:
        self.noun, self.show = noun, show
        self.done = self.found = 0
        self.total: int | None = None
        self.end: Callable[[], None] = lambda: None
        self._seen = deque([(time.monotonic(), 0)])

    def __call__(self, done: int, found: int) -> None:
        """So many objects are done, so many of them attributed."""
        self.done, self.found = done, found
        now = time.monotonic()
        if now - self._seen[-1][0] >= 1.0:
            self._seen.append((now, done))
            while now - self._seen[0][0] > WINDOW and len(self._seen) > 2:
                self._seen.popleft()
        self.show(self.said(), done, self.total)

    def expect(self, total: int) -> None:
        """How many there are in all, once somebody has counted them."""
        self.total = total

    def said(self) -> str:
        """ "120 of 500 images, 3 attributed, 4.1 a second, 2 min left"."""
        of = "" if self.total is None else f" of {max(self.total, self.done)}"
        told = f"{self.done}{of} {self.noun}, {self.found} attributed"
        (begun, first), (last, newest) = self._seen[0], self._seen[-1]
        rate = (newest - first) / (last - begun) if last > begun else 0.0
        if rate:
            told += f", {rate:.3g} a second"
            if self.total is not None and self.total > self.done:
                told += f", {span((self.total - self.done) / rate)} left"
        return told


@contextmanager
def counter(noun: str, *, quiet: bool = False) -> Iterator[ScanProgress]:
    """Progress of a scan; its `end` takes it off the screen before results are written."""
    if quiet:
        yield ScanProgress(noun, lambda text, done, total: None)
        return
    if sys.stderr.isatty():
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = _bar(
            SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"),
            TimeElapsedColumn(), transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(f"0 {noun}", total=None)

            def show(text: str, done: int, total: int | None) -> None:
                bar.update(task, description=text, completed=done, total=total)

            progress = ScanProgress(noun, show)
            progress.end = bar.stop
            yield progress
        return
    progress = ScanProgress(noun, lambda text, done, total: None)
    with _every(INTERVAL, lambda: sys.stderr.write(f"{progress.said()}\n")) as stop:
        progress.end = stop
        yield progress


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Progress of a fit: called with (stage, done, total); total 0 means "no count"."""
    if quiet:
        yield lambda stage, done, total: None
        return
    if sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        bar = _bar(
            TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )  # fmt: skip
        with bar:
            yield _Stages(bar)
        return
    seen = {"stage": "", "line": ""}
    begun = time.monotonic()

    def line(stage: str, done: int, total: int) -> None:
        nonlocal begun
        count = f" {done}/{total}" if total and done else ""
        if stage != seen["stage"]:
            begun = time.monotonic()
            sys.stderr.write(f"{stage}{count}\n")
        elif count and done < total:
            count += f", {span((time.monotonic() - begun) / done * (total - done))} left"
        seen.update(stage=stage, line=f"{stage}{count}")

    with _every(INTERVAL, lambda: seen["line"] and sys.stderr.write(f"{seen['line']}\n")):
        yield line


@contextmanager
def waiting(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Show on a terminal that something goes on, until the block ends; elsewhere nothing."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with _bar(*columns, transient=True) as bar:
        bar.add_task(printable(text), total=None)
        yield


class _Stages:
    """One bar a stage; what a new stage leaves behind is done, and its clock stands."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self.tasks:
            self._finish()
            self.tasks[stage] = self.bar.add_task(stage, total=total or None)
        self.bar.update(self.tasks[stage], completed=done, total=total or None)

    def _finish(self) -> None:
        for task in self.bar.tasks:
            if not task.finished:
                whole = max(1.0, task.total or task.completed)
                self.bar.update(task.id, completed=whole, total=whole)


def span(seconds: float) -> str:
    """A duration in its largest whole unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _bar(*columns: Any, transient: bool = False) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    # Results go to stdout as they are.
    return Progress(
        *columns, console=Console(stderr=True), transient=transient, redirect_stdout=False
    )


@contextmanager
def _every(seconds: float, what: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Do something now and then beside the block, until it ends or says so."""
    over = threading.Event()

    def tick() -> None:
        while not over.wait(seconds):
            what()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield over.set
    finally:
        over.set()
        thread.join()
