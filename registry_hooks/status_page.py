"""The page at `/`: work, attributors, scans, schedules and failures, as the tables have them.

Names and reasons come from others: autoescape is on, links lead to these pages and to the
configured registry alone, and the page's policy allows no script, no network and only the one
style sheet that it was rendered with.
"""

from __future__ import annotations

import base64
import hashlib
import math
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from jinja2 import Environment

from flipad_ops.common.templates import environment
from flipad_ops.common.version import __version__
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.log_files import last_line
from registry_hooks.notice_jobs import NoticeQueue
from registry_hooks.scan_comparison import Comparison
from registry_hooks.scan_jobs import SUCCESS, ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, FAILED, QUEUED, RUNNING, Scan

#: Rows shown of each list; `hooks status` has them all.
SHOWN = 100
#: Scans in a schedule's trend.
TREND = 30


def render_status(fits: FitQueue, schedules: Sequence[Schedule], settings: HookSettings) -> str:
    """The whole page.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        The database does not answer.
    """
    counts, scans = fits.counts(), ScanQueue(fits.sessions)
    logs, work = Path(settings.logs), fits.waiting(SHOWN)
    times = scans.times()
    messages = NoticeQueue(fits.sessions, fits.clock).newest()
    return (
        _environment()
        .get_template("status.html.j2")
        .render(
            counts=counts,
            failed=fits.rows(FAILED, most=SHOWN),
            work=work,
            stages={row.id: last_line(row.log, logs) for row in work if row.state == RUNNING},
            served=fits.rows(DONE, most=SHOWN),
            more={
                "failed": max(0, counts[FAILED] - SHOWN),
                "work": max(0, counts[QUEUED] + counts[RUNNING] - SHOWN),
                "served": max(0, counts[DONE] - SHOWN),
            },
            scans=scans.newest(limit=20),
            schedules=[
                (each, times.get(each.name), trend(scans.newest(each.name, TREND)))
                for each in schedules
            ],
            unsent=[message for message in messages if message.state != DONE][:20],
            config=settings.config_sha256(),
            model_page=partial(model_page, settings.registry),
            retry=lambda row: f"flipadops hooks retry {shlex.quote(row.uri)}",
            now=time.time(),
            code_version=__version__,
            style=style(),
        )
    )


def render_scan(scan: Scan, before: Scan | None, found: Comparison | None) -> str:
    """One scan, and its findings beside those of an earlier one."""
    return (
        _environment()
        .get_template("scan.html.j2")
        .render(
            scan=scan,
            before=before,
            parts=None if found is None else found.parts(),
            code_version=__version__,
            style=style(),
        )
    )


def model_page(registry: str | None, name: str | None) -> str:
    """Where MLflow shows "model/version"; "" without a server, or for no such name."""
    model, _, version = (name or "").rpartition("/")
    if not model or not (registry or "").startswith(("http://", "https://")):
        return ""
    scheme, place, path, _, _ = urlsplit(str(registry))
    # What stands before the host may be a password.
    base = urlunsplit((scheme, place.rpartition("@")[2], path.rstrip("/"), "", ""))
    return f"{base}/#/models/{quote(model, safe='')}/versions/{quote(version, safe='')}"


def trend(newest: Sequence[Scan]) -> list[dict[str, Any]]:
    """Bars of the last scans of a schedule, the oldest first: place, height, kind and words.

    Heights are logarithmic, so that one finding is seen beside a thousand.
    """
    ended = [scan for scan in reversed(newest) if scan.ended is not None]
    counts = [(scan.leaks or 0) + (scan.review or 0) for scan in ended]
    most = math.log1p(max(counts, default=0)) or 1.0
    return [
        {
            "x": 6 * place,
            "height": round(3 + 21 * math.log1p(count) / most, 1),
            "kind": "bad"
            if scan.leaks
            else "warn"
            if count or scan.exit_code not in SUCCESS
            else "good",
            "words": f"{_moment(scan.started)}: {scan.leaks or 0} leaks, {scan.review or 0} for "
            f"review, {scan.scored or 0} scored",
        }
        for place, (scan, count) in enumerate(zip(ended, counts, strict=True))
    ]


def headers() -> dict[str, str]:
    """What keeps the page inert, whatever is in it."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


@lru_cache(maxsize=1)
def style() -> str:
    """The style sheet, as it stands in the page."""
    return _environment().get_template("status.css").render()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return environment("registry_hooks", moment=_moment, span=_span, share=_share)


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


def _span(seconds: Any) -> str:
    """A length of time in its largest unit."""
    value = max(0.0, float(seconds))
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= 2 * size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"
