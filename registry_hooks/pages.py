"""What people open in a browser: the status page, a scan beside an earlier one, logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.log_files import log_end
from registry_hooks.scan_comparison import compare
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import Scan
from registry_hooks.status_page import headers, render_scan, render_status

NOT_THERE = "not here\n"
_PLAIN = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def add_pages(
    app: FastAPI, fits: FitQueue, settings: HookSettings, schedules: Sequence[Schedule]
) -> None:
    """Add them, if the settings want a status page; all of them have its access rule."""
    scans, logs = ScanQueue(fits.sessions, clock=fits.clock), Path(settings.logs)

    def page() -> str:
        return render_status(fits, schedules, settings)

    # Templates and queries are compiled at first use; whoever asks first must not wait for it.
    app.state.warm_up = page
    if not settings.status_page:
        return

    @app.get("/")
    @_or_away
    def status() -> Response:
        return HTMLResponse(page(), headers=headers())

    @app.get("/scans/{number:int}")
    @_or_away
    def scan(number: int, before: int = 0) -> Response:
        now = scans.find(number)
        if now is None:
            return PlainTextResponse(NOT_THERE, 404)
        then = scans.find(before) if before else scans.previous(now)
        found = compare(now, then) if _ended(now) else None
        return HTMLResponse(render_scan(now, then, found), headers=headers())

    @app.get("/scans/{number:int}/log")
    @_or_away
    def scan_log(number: int) -> Response:
        found = scans.find(number)
        return _log(None if found is None else Path(str(found.folder), "log.txt"), logs)

    @app.get("/fits/{number:int}/log")
    @_or_away
    def fit_log(number: int) -> Response:
        found = fits.find(number)
        return _log(None if found is None else found.log, logs)


def _ended(scan: Scan) -> bool:
    return scan.ended is not None


def _log(path: str | Path | None, logs: Path) -> Response:
    text = log_end(path, logs)
    if text is None:
        return PlainTextResponse(NOT_THERE, 404)
    return PlainTextResponse(text, headers=_PLAIN)


def _or_away(answer: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(answer)
    def safe(**words: int) -> Response:
        try:
            return answer(**words)
        except SQLAlchemyError:
            return PlainTextResponse("work table away\n", 503)

    return safe
