"""The metrics by name, each from one query."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from registry_hooks.records import (
    QUEUED,
    Attempt,
    Notice,
    Row,
    ScanCounts,
    ScanRow,
    ScheduleRow,
)
from registry_hooks.schedule_table import ENDED
from registry_hooks.table import count_by_state

#: Seconds of a fit; toys take one, large generators hours.
BUCKETS = (10.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0)
#: Exit codes of a scan in words; a signal or any other is "crashed".
OUTCOMES = {0: "clean", 3: "findings", 4: "incomplete", 5: "nothing", 6: "attributor",
            2: "usage", 130: "interrupted", 143: "interrupted"}  # fmt: skip
SUCCESS = (0, 3)


def families(session: Session, deliveries: Mapping[str, int], now: float) -> list[Metric]:
    """All of them.

    Parameters
    ----------
    deliveries : mapping of str to int
        Totals by outcome.
    now : float
        Seconds since 1970.
    """
    received = CounterMetricFamily(
        "flipad_deliveries", "Webhook deliveries by what became of them.", labels=["outcome"]
    )
    for outcome, count in sorted(deliveries.items()):
        received.add_metric([outcome], count)
    return [received, *_work(session, now), *_fits(session), *_scans(session), _notices(session)]


def _work(session: Session, now: float) -> list[Metric]:
    work = GaugeMetricFamily(
        "flipad_work", "Generator versions in the work table by state.", labels=["state"]
    )
    for state, count in count_by_state(session).items():
        work.add_metric([state], count)
    first = session.scalar(select(func.min(Row.due)).where(Row.state == QUEUED, Row.due <= now))
    waits = GaugeMetricFamily(
        "flipad_work_oldest_waiting_seconds",
        "How long the work that is due longest has waited for a worker; 0 when none is due.",
        value=0.0 if first is None else now - first,
    )
    return [work, waits]


def _fits(session: Session) -> list[Metric]:
    attempts = CounterMetricFamily(
        "flipad_attempts", "Attempts at fits that have ended, by outcome.", labels=["outcome"]
    )
    seconds = HistogramMetricFamily(
        "flipad_fit_duration_seconds", "Seconds of attempts at fits.", labels=["outcome"]
    )
    below = [func.sum(case((Attempt.seconds <= limit, 1), else_=0)) for limit in BUCKETS]
    columns = (Attempt.outcome, func.count(), func.sum(Attempt.seconds), *below)
    query = select(*columns).group_by(Attempt.outcome).order_by(Attempt.outcome)
    for outcome, count, total, *counts in session.execute(query):
        attempts.add_metric([outcome], count)
        buckets = [(f"{limit:.1f}", float(n)) for limit, n in zip(BUCKETS, counts, strict=True)]
        seconds.add_metric([outcome], [*buckets, ("+Inf", float(count))], sum_value=float(total))
    return [attempts, seconds]


def _scans(session: Session) -> list[Metric]:
    scans = CounterMetricFamily(
        "flipad_scans", "Scheduled scans that have ended, by outcome.",
        labels=["schedule", "outcome"],
    )  # fmt: skip
    images = CounterMetricFamily(
        "flipad_scanned_images", "Images scored by scheduled scans.", labels=["schedule"]
    )
    findings = CounterMetricFamily(
        "flipad_findings", "Findings of scheduled scans.", labels=["schedule", "verdict"]
    )
    skipped = CounterMetricFamily(
        "flipad_skipped_images", "Objects that scheduled scans skipped.", labels=["schedule"]
    )
    unreadable = CounterMetricFamily(
        "flipad_unreadable_images", "Objects that could not be read.", labels=["schedule"]
    )
    last = GaugeMetricFamily(
        "flipad_schedule_last_success_timestamp_seconds",
        "When a scan of the schedule last ended complete.", labels=["schedule"],
    )  # fmt: skip
    paused = GaugeMetricFamily(
        "flipad_schedule_paused", "Whether the schedule is paused.", labels=["schedule"]
    )
    ended = (
        select(ScanRow.schedule, ScanRow.state, ScanRow.exit_code, func.count())
        .where(ScanRow.ended.is_not(None))
        .group_by(ScanRow.schedule, ScanRow.state, ScanRow.exit_code)
    )
    counts: dict[tuple[str, str], int] = {}
    for schedule, state, code, count in session.execute(ended):
        key = (schedule, _outcome(state, code))
        counts[key] = counts.get(key, 0) + count
    for labels, count in sorted(counts.items()):
        scans.add_metric(list(labels), count)
    done = case((ScanRow.exit_code.in_(SUCCESS), ScanRow.ended))
    sums = (
        select(
            ScanRow.schedule, func.sum(ScanRow.scored), func.sum(ScanRow.leaks),
            func.sum(ScanRow.review), func.sum(func.coalesce(ScanCounts.skipped, 0)),
            func.sum(func.coalesce(ScanCounts.failed, 0)), func.max(done),
        )
        .outerjoin(ScanCounts, ScanCounts.scan == ScanRow.id)
        .group_by(ScanRow.schedule)
        .order_by(ScanRow.schedule)
    )  # fmt: skip
    for schedule, scored, leaks, review, left_out, failed, success in session.execute(sums):
        images.add_metric([schedule], scored)
        findings.add_metric([schedule, "leak"], leaks)
        findings.add_metric([schedule, "review"], review)
        skipped.add_metric([schedule], left_out)
        unreadable.add_metric([schedule], failed)
        if success is not None:
            last.add_metric([schedule], success)
    for name, is_paused in session.execute(select(ScheduleRow.name, ScheduleRow.paused)):
        paused.add_metric([name], float(is_paused))
    return [scans, images, findings, skipped, unreadable, last, paused]


def _outcome(state: str, code: int | None) -> str:
    if state != ENDED:
        return state
    return "not started" if code is None else OUTCOMES.get(code, "crashed")


def _notices(session: Session) -> Metric:
    notices = GaugeMetricFamily(
        "flipad_notices", "Messages to channels by state.", labels=["state"]
    )
    query = select(Notice.state, func.count()).group_by(Notice.state)
    for state, count in sorted(session.execute(query)):
        notices.add_metric([state], count)
    return notices
