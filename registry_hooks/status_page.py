"""The page at `/`: work, attributors, scans, schedules and failures, as the tables have them.

Names and reasons come from others: autoescape is on, no link is built from them, and the page's
policy allows no script, no network and only the one style sheet that it was rendered with.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from flipad_ops.common.version import __version__
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.notice_jobs import NoticeQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, FAILED, QUEUED, RUNNING

#: Rows shown of each list; `hooks status` has them all.
SHOWN = 100


def render_status(fits: FitQueue, schedules: Sequence[Schedule], config: str) -> str:
    """The whole page.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        The database does not answer.
    """
    counts, scans = fits.counts(), ScanQueue(fits.sessions)
    times = scans.times()
    messages = NoticeQueue(fits.sessions, fits.clock).newest()
    return _template().render(
        counts=counts,
        failed=fits.rows(FAILED, most=SHOWN),
        work=fits.waiting(SHOWN),
        served=fits.rows(DONE, most=SHOWN),
        more={
            "failed": max(0, counts[FAILED] - SHOWN),
            "work": max(0, counts[QUEUED] + counts[RUNNING] - SHOWN),
            "served": max(0, counts[DONE] - SHOWN),
        },
        scans=scans.newest(limit=20),
        schedules=[(each, times.get(each.name)) for each in schedules],
        unsent=[message for message in messages if message.state != DONE][:20],
        config=config,
        now=time.time(),
        code_version=__version__,
        style=style(),
    )


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
    environment = Environment(loader=PackageLoader("registry_hooks", "."), autoescape=True)
    return environment.get_template("status.css").render()


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("registry_hooks", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "span": _span}
    return environment.get_template("status.html.j2")


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _span(seconds: Any) -> str:
    """A length of time in its largest unit."""
    value = max(0.0, float(seconds))
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= 2 * size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} s"
