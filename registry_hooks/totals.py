"""Counters that outlive the rows they count: what Prometheus reads never goes down."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry_hooks.database import insert_into
from registry_hooks.schema import Total

#: Name of the metric, schedule or "", outcome or "".
Key = tuple[str, str, str]
ATTEMPTS, DURATION = "flipad_attempts", "flipad_fit_duration_seconds"
LAST_SUCCESS = "flipad_schedule_last_success_timestamp_seconds"
#: Seconds of a fit; toys take one, large generators hours.
BUCKETS = (10, 60, 300, 900, 3600, 4 * 3600)


def add(session: Session, more: Mapping[Key, float], *, replace: bool = False) -> None:
    """Add to totals, or put these in their place."""
    for key in sorted(more):  # in one order, so that two processes do not wait for each other
        name, schedule, outcome = key
        row = insert_into(session, Total).values(
            name=name, schedule=schedule, outcome=outcome, value=more[key]
        )
        new = row.excluded.value if replace else Total.value + row.excluded.value
        columns = [Total.name, Total.schedule, Total.outcome]
        session.execute(row.on_conflict_do_update(index_elements=columns, set_={"value": new}))


def count_attempt(session: Session, outcome: str, seconds: float) -> None:
    """One more attempt at a fit, with its place in the histogram."""
    more = {(ATTEMPTS, "", outcome): 1.0, (f"{DURATION}_sum", "", outcome): seconds}
    more |= {(bucket(limit), "", outcome): float(seconds <= limit) for limit in BUCKETS}
    add(session, more)


def bucket(limit: int) -> str:
    """Where attempts of so many seconds at most are counted."""
    return f"{DURATION}_{limit}"


def read(session: Session) -> dict[Key, float]:
    """All of them, in order."""
    rows = session.scalars(select(Total).order_by(Total.name, Total.schedule, Total.outcome))
    return {(row.name, row.schedule, row.outcome): row.value for row in rows}
