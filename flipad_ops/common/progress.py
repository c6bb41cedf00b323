"""Progress on stderr: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds between two lines when stderr is no terminal.
INTERVAL = 30.0


@contextmanager
def counter(noun: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Progress of a scan of unknown length: called with (done, found)."""
    if quiet:
        yield lambda done, found: None
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        with bar:
            task = bar.add_task(f"0 {noun}")
            yield lambda done, found: bar.update(
                task, description=f"{done} {noun}, {found} attributed"
            )
        return
    last = time.monotonic()

    def line(done: int, found: int) -> None:
        nonlocal last
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            sys.stderr.write(f"{done} {noun}, {found} attributed\n")

    yield line


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Progress of a fit: called with (stage, done, total); total 0 means "no count"."""
    if quiet:
        yield lambda stage, done, total: None
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        bar = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(),
            MofNCompleteColumn(),
            Elapsed(),
            console=Console(stderr=True),
        )
        tasks: dict[str, object] = {}
        with bar:

            def show(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total or None)
                bar.update(tasks[stage], completed=done, total=total or None)  # type: ignore[arg-type]

            yield show
        return
    seen, last = "", 0.0

    def line(stage: str, done: int, total: int) -> None:
        nonlocal seen, last
        now = time.monotonic()
        if stage != seen or now - last >= INTERVAL:
            seen, last = stage, now
            count = f" {done}/{total}" if total and done else ""
            sys.stderr.write(f"{stage}{count}\n")

    yield line
