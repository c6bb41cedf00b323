"""The metrics by name: totals as they stand, and what waits now."""

from __future__ import annotations

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry_hooks import totals
from registry_hooks.jobs import count_by_state
from registry_hooks.schema import QUEUED, Fit, Notice, ScheduleTimes

#: What is counted, with its labels.
COUNTERS = {
    "flipad_deliveries": ("Webhook deliveries by what became of them.", ["outcome"]),
    totals.ATTEMPTS: ("Attempts at fits that have ended, by outcome.", ["outcome"]),
    "flipad_scans": ("Scheduled scans that have ended, by outcome.", ["schedule", "outcome"]),
    "flipad_findings": ("Findings of scheduled scans.", ["schedule", "verdict"]),
    "flipad_scanned_images": ("Images scored by scheduled scans.", ["schedule"]),
    "flipad_skipped_images": ("Objects that scheduled scans skipped.", ["schedule"]),
    "flipad_unreadable_images": ("Objects that could not be read.", ["schedule"]),
}


def families(session: Session, now: float) -> list[Metric]:
    """All of them; `now` is in seconds since 1970."""
    found = totals.read(session)
    counters: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
        name: CounterMetricFamily(name, about, labels=labels)
        for name, (about, labels) in COUNTERS.items()
    }
    counters[totals.LAST_SUCCESS] = GaugeMetricFamily(
        totals.LAST_SUCCESS, "When a scan of the schedule last ended complete.", labels=["schedule"]
    )
    for (name, *labels), count in found.items():
        if name in counters:
            counters[name].add_metric([label for label in labels if label], count)
    return [*counters.values(), _durations(found), *_gauges(session, now)]


def _durations(found: dict[totals.Key, float]) -> Metric:
    seconds = HistogramMetricFamily(
        totals.DURATION, "Seconds of attempts at fits.", labels=["outcome"]
    )
    for (name, _, outcome), count in found.items():
        if name == totals.ATTEMPTS:
            key = ("", outcome)
            below = [(f"{x:.1f}", found[totals.bucket(x), *key]) for x in totals.BUCKETS]
            total = found[f"{totals.DURATION}_sum", *key]
            seconds.add_metric([outcome], [*below, ("+Inf", count)], sum_value=total)
    return seconds


def _gauges(session: Session, now: float) -> list[Metric]:
    work = GaugeMetricFamily(
        "flipad_work", "Generator versions in the work table by state.", labels=["state"]
    )
    for state, count in count_by_state(session, Fit).items():
        work.add_metric([state], count)
    first = session.scalar(select(func.min(Fit.due)).where(Fit.state == QUEUED, Fit.due <= now))
    waits = GaugeMetricFamily(
        "flipad_work_oldest_waiting_seconds",
        "How long the work that is due longest has waited for a worker; 0 when none is due.",
        value=0.0 if first is None else now - first,
    )
    paused = GaugeMetricFamily(
        "flipad_schedule_paused", "Whether the schedule is paused.", labels=["schedule"]
    )
    for name, is_paused in session.execute(select(ScheduleTimes.name, ScheduleTimes.paused)):
        paused.add_metric([name], float(is_paused))
    notices = GaugeMetricFamily(
        "flipad_notices", "Messages to channels by state.", labels=["state"]
    )
    query = select(Notice.state, func.count()).group_by(Notice.state).order_by(Notice.state)
    for state, count in session.execute(query):
        notices.add_metric([state], count)
    return [work, waits, paused, notices]
