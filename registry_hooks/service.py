"""Everything that `flipadops hooks up` runs, as one process."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.errors import UsageError
from registry_hooks.database import open_database
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.jobs import Backoff
from registry_hooks.watch import Watch

logger = logging.getLogger("flipad.hooks")


def open_queue(settings: HookSettings, must_exist: bool = False) -> FitQueue:
    """The settings' work table; a UsageError if it cannot be opened, or is not there."""
    backoff = Backoff(attempts=settings.attempts, first=settings.retry_after)
    sessions = open_database(settings.table, must_exist)
    return FitQueue(sessions, settings.lease, backoff)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def asked(number: int, _frame: Any) -> None:
        stop.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, asked)
    return stop


def load_libraries() -> None:
    """Load what the service needs before it listens: an import in a thread holds answers up, and so
    does a look of Python's collector through all of it. For a process that does nothing else."""
    import mlflow  # noqa: F401

    import registry_hooks.receiver  # noqa: F401

    gc.collect()
    gc.freeze()


def run_workers(settings: HookSettings, stop: threading.Event, workers: int = 1) -> None:
    """Workers only, until stopped."""
    fits = open_queue(settings)
    threads = [_thread(_worker(fits, settings, stop)) for _ in range(workers)]
    try:
        _watch(stop, threads)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        fits.close()


def run_service(
    settings: HookSettings,
    secret: str,
    stop: threading.Event,
    *,
    workers: int = 1,
    watch: Watch | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """All of it, until stopped.

    Parameters
    ----------
    workers : int
        Fits at a time; 0 leaves them to `flipadops hooks worker` elsewhere.
    watch : Watch or None
        Schedules and channels; None for neither.
    ready : callable
        Called with the receiver's URL once it listens.

    Raises
    ------
    UsageError
        The work table cannot be opened or the port is taken.
    """
    import uvicorn

    from registry_hooks.receiver import create_app
    from registry_hooks.timer import ReconcileTimer

    watch = watch or Watch()
    listener = _listen(settings.host, settings.port)
    with listener:
        fits = open_queue(settings)
        timer = ReconcileTimer(fits, settings, stop)
        app = create_app(fits, settings, secret, wake=timer.wake, schedules=watch.schedules)
        server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, server_header=False, lifespan="off"
            )
        )
        with contextlib.suppress(SQLAlchemyError):
            app.state.warm_up()
        receiver = _thread(lambda: server.run(sockets=[listener]))
        others = [_thread(timer.run)]
        others += [_thread(_worker(fits, settings, stop)) for _ in range(workers)]
        others += [_thread(target) for target in _watchers(fits, settings, watch, stop)]
        try:
            host, port = listener.getsockname()[:2]
            ready(f"http://{host}:{port}/mlflow")
            _watch(stop, [receiver, *others])
        finally:
            stop.set()
            server.should_exit = True
            for thread in (receiver, *others):
                thread.join()
            with contextlib.suppress(SQLAlchemyError):
                app.state.keep_counts()
            fits.close()


def _worker(fits: FitQueue, settings: HookSettings, stop: threading.Event) -> Callable[[], None]:
    from registry_hooks.fit_worker import FitWorker

    return lambda: FitWorker(fits, settings, stop).run()


def _watchers(
    fits: FitQueue, settings: HookSettings, watch: Watch, stop: threading.Event
) -> list[Callable[[], None]]:
    from registry_hooks.notifier import Notifier
    from registry_hooks.scan_jobs import ScanQueue
    from registry_hooks.scheduler import ScanScheduler

    scans = ScanQueue(fits.sessions, settings.lease)
    logs = Path(settings.logs)
    scheduler = ScanScheduler(scans, watch.schedules, logs, stop, settings.registry)
    notifier = Notifier(fits, watch.channels, watch.schedules, settings.on_failed_fit, stop)
    # Without schedules it still ends those that an earlier configuration left in the table.
    return [scheduler.run, *([notifier.run] if watch.channels else [])]


def _thread(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target)
    thread.start()
    return thread


def _watch(stop: threading.Event, threads: list[threading.Thread]) -> None:
    while not stop.wait(0.5):
        if not all(thread.is_alive() for thread in threads):
            # Half a service looks healthy and is not: let the supervisor start a whole one.
            logger.error("A part of the service ended; stopping the rest.")
            stop.set()
            raise UsageError("A part of the service ended, see the log above.")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener
