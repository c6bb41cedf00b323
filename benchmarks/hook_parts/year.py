"""The table of a house that has run for a year."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import insert

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.schema import Job, Told
from tests.registry_hooks.servers import get

FITS, SCANS, NOTICES, TOLD = 100_000, 10_000, 5_000, 50_000
YEAR = 365 * 86_400.0
_STATES = ("done",) * 17 + ("failed", "failed", "skipped")


def fill(table: FitQueue) -> None:
    """A year of jobs of every kind, spread over its days."""
    now = time.time()

    def job(kind: str, n: int, of: int, **more: object) -> dict[str, object]:
        at = now - YEAR * (of - n) / of
        times = {"due": at, "started": at, "ended": at + 60, "created": at, "updated": at + 60}
        return {"kind": kind, "attempts": 1, **times, **more}

    fits = [
        job("fit", n, FITS, queue="c", key=f"gan-{n % 500}/{n}", state=_STATES[n % 20],
            attributor=f"gan-{n % 500}-attributor/{n}", reason="NotAttributable: no split.")
        for n in range(FITS)
    ]  # fmt: skip
    scans = [
        job("scan", n, SCANS, queue=f"s{n % 27}", key=None, state="ended", folder=f"/logs/{n}",
            exit_code=0, verdict="clean", said="9 of 9 images scanned.", scored=9, leaks=0,
            review=0, skipped=0, unreadable=0, told=True)
        for n in range(SCANS)
    ]  # fmt: skip
    notices = [
        job("notice", n, NOTICES, queue="ops", key=f"m{n}", state="done", event="findings",
            payload={"event": "findings", "new": 1, "findings": [{"key": "x" * 100}]})
        for n in range(NOTICES)
    ]  # fmt: skip
    told = [{"channel": "ops", "key": f"{n:064x}", "at": now} for n in range(TOLD)]
    with table.sessions.begin() as session:
        for kind, rows in ((Job, fits), (Job, scans), (Told, told)):
            session.execute(insert(kind.__table__), rows)  # type: ignore[arg-type]
        session.execute(insert(Job.__table__), notices)  # type: ignore[arg-type]


def seconds_of(url: str, times: int = 20) -> dict[str, float]:
    """Milliseconds of a page, asked for several times."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        assert get(url)
        took.append(1000 * (time.perf_counter() - began))
    first = round(took[0], 1)
    took.sort()
    return {"first": first, "p50": round(took[times // 2], 1), "max": round(took[-1], 1)}


def megabytes(folder: Path) -> float:
    """Of all files of the table."""
    return round(sum(f.stat().st_size for f in folder.glob("work.db*")) / 1e6, 1)
