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

#: Names of what scans count, by outcome of the totals of images.
_IMAGES = {
    "scored": ("flipad_scanned_images", "Images scored by scheduled scans."),
    "skipped": ("flipad_skipped_images", "Objects that scheduled scans skipped."),
    "unreadable": ("flipad_unreadable_images", "Objects that could not be read."),
}


def families(session: Session, now: float) -> list[Metric]:
    """All of them; `now` is in seconds since 1970."""
    found = totals.read(session)
    return [_deliveries(found), *_work(session, now), *_fits(found), *_scans(found),
            _paused(session), _notices(session)]  # fmt: skip


def _deliveries(found: dict[totals.Key, float]) -> Metric:
    received = CounterMetricFamily(
        "flipad_deliveries", "Webhook deliveries by what became of them.", labels=["outcome"]
    )
    for (name, _, outcome), count in found.items():
        if name == totals.DELIVERIES:
            received.add_metric([outcome], count)
    return received


def _work(session: Session, now: float) -> list[Metric]:
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
    return [work, waits]


def _fits(found: dict[totals.Key, float]) -> list[Metric]:
    attempts = CounterMetricFamily(
        "flipad_attempts", "Attempts at fits that have ended, by outcome.", labels=["outcome"]
    )
    seconds = HistogramMetricFamily(
        "flipad_fit_duration_seconds", "Seconds of attempts at fits.", labels=["outcome"]
    )
    for (name, _, outcome), count in found.items():
        if name == totals.ATTEMPTS:
            attempts.add_metric([outcome], count)
            below = [(x, found[f"{totals.BELOW}{x}", "", outcome]) for x in totals.BUCKETS]
            buckets = [*((f"{limit:.1f}", n) for limit, n in below), ("+Inf", count)]
            seconds.add_metric([outcome], buckets, sum_value=found[totals.SECONDS, "", outcome])
    return [attempts, seconds]


def _scans(found: dict[totals.Key, float]) -> list[Metric]:
    scans = CounterMetricFamily(
        "flipad_scans", "Scheduled scans that have ended, by outcome.",
        labels=["schedule", "outcome"],
    )  # fmt: skip
    findings = CounterMetricFamily(
        "flipad_findings", "Findings of scheduled scans.", labels=["schedule", "verdict"]
    )
    images = {
        outcome: CounterMetricFamily(name, about, labels=["schedule"])
        for outcome, (name, about) in _IMAGES.items()
    }
    last = GaugeMetricFamily(
        "flipad_schedule_last_success_timestamp_seconds",
        "When a scan of the schedule last ended complete.", labels=["schedule"],
    )  # fmt: skip
    for (name, schedule, outcome), count in found.items():
        if name == totals.SCANS:
            scans.add_metric([schedule, outcome], count)
        elif name == totals.LAST_SUCCESS:
            last.add_metric([schedule], count)
        elif name == totals.IMAGES and outcome in images:
            images[outcome].add_metric([schedule], count)
        elif name == totals.IMAGES:
            findings.add_metric([schedule, outcome], count)
    return [scans, findings, *images.values(), last]


def _paused(session: Session) -> Metric:
    paused = GaugeMetricFamily(
        "flipad_schedule_paused", "Whether the schedule is paused.", labels=["schedule"]
    )
    for name, is_paused in session.execute(select(ScheduleTimes.name, ScheduleTimes.paused)):
        paused.add_metric([name], float(is_paused))
    return paused


def _notices(session: Session) -> Metric:
    notices = GaugeMetricFamily(
        "flipad_notices", "Messages to channels by state.", labels=["state"]
    )
    query = select(Notice.state, func.count()).group_by(Notice.state).order_by(Notice.state)
    for state, count in session.execute(query):
        notices.add_metric([state], count)
    return notices
