"""What the hooks keep in SQL: jobs of three kinds, schedules, and what is remembered of them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Index, MetaData, String, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, synonym

QUEUED, RUNNING, DONE, FAILED, SKIPPED = "queued", "running", "done", "failed", "skipped"
STATES = (QUEUED, RUNNING, DONE, FAILED, SKIPPED)
#: How a scan is over, beside running.
ENDED, LOST = "ended", "lost"


class JsonText(TypeDecorator[Any]):
    """JSON in a text column: PostgreSQL's own type takes no NaN."""

    impl, cache_ok = Text, True

    def process_bind_param(self, value: Any, _dialect: Any) -> str | None:
        """To the database."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, _dialect: Any) -> Any:
        """From there."""
        return None if value is None else json.loads(value)


class Base(DeclarativeBase):
    """Our tables; `migrations` makes them."""

    metadata = MetaData()


class Job(Base):
    """One fit, scan or message: `queue` says whose, `key` is in a queue once (NULL: no limit).

    Times are seconds since 1970. `token` changes with every claim: whoever holds an old one
    has lost the job and can no longer write its outcome.
    """

    __tablename__ = "flipad_job"
    __table_args__ = (
        UniqueConstraint("kind", "queue", "key", name="uq_flipad_job"),
        Index("ix_flipad_job_claim", "kind", "state", "due"),
        Index("ix_flipad_job_queue", "kind", "queue", "ended"),
        Index("ix_flipad_job_newest", "kind", "id"),
        Index("ix_flipad_job_changed", "kind", "state", "updated"),
    )
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    queue: Mapped[str] = mapped_column(String(64))
    key: Mapped[str | None] = mapped_column(String(320))
    state: Mapped[str] = mapped_column(String(16), default=QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float]
    owner: Mapped[str | None] = mapped_column(String(256))
    token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[float | None]
    started: Mapped[float | None]
    ended: Mapped[float | None]
    #: The kind of the last failure, and its words.
    error: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(Text)
    created: Mapped[float]
    updated: Mapped[float]


class Fit(Job):
    """One generator version (`key`: NAME/VERSION) under one fit configuration (`queue`)."""

    __mapper_args__ = {"polymorphic_identity": "fit"}  # noqa: RUF012

    attributor: Mapped[str | None] = mapped_column(String(512))
    log: Mapped[str | None] = mapped_column(Text)
    #: "tpr" and "fpr" of a done one as far as they are known; of a failed one the "remedy".
    figures: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    config: Mapped[str] = synonym("queue")

    @property
    def model(self) -> str:
        """Name of the registered generator."""
        return str(self.key).rpartition("/")[0]

    @property
    def version(self) -> int:
        """Its version."""
        return int(str(self.key).rpartition("/")[2])

    @property
    def uri(self) -> str:
        """models:/NAME/VERSION."""
        return f"models:/{self.key}"


class Scan(Job):
    """One scan that a schedule (`queue`) started: what it found, or why it ended without.

    `findings` are those that channels may have to be told, until `told`; `said` is what the scan
    says of its coverage, its power and its ledger.
    """

    __mapper_args__ = {"polymorphic_identity": "scan"}  # noqa: RUF012

    folder: Mapped[str | None] = mapped_column(Text)
    exit_code: Mapped[int | None]
    verdict: Mapped[str | None] = mapped_column(String(16))
    said: Mapped[str | None] = mapped_column(Text)
    scored: Mapped[int | None]
    leaks: Mapped[int | None]
    review: Mapped[int | None]
    skipped: Mapped[int | None]
    unreadable: Mapped[int | None]
    told: Mapped[bool | None]
    findings: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonText)
    schedule: Mapped[str] = synonym("queue")

    @property
    def by_clock(self) -> bool:
        """Whether it is for a due time; one that a person asks for is due when it is made."""
        return self.due != self.created


class Notice(Job):
    """A message on its way to a channel (`queue`); `key` is its id there."""

    __mapper_args__ = {"polymorphic_identity": "notice"}  # noqa: RUF012

    event: Mapped[str | None] = mapped_column(String(16))
    payload: Mapped[dict[str, Any] | None] = mapped_column(JsonText)
    channel: Mapped[str] = synonym("queue")


class ScheduleTimes(Base):
    """When a schedule of the configuration runs next.

    `slot` is the due time that was started last: the same slot is never started twice.
    """

    __tablename__ = "flipad_schedule"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    trigger: Mapped[str] = mapped_column(String(512))
    paused: Mapped[bool] = mapped_column(default=False)
    next_run: Mapped[float]
    slot: Mapped[float] = mapped_column(default=0.0)


class Delivery(Base):
    """A webhook delivery that was accepted; MLflow's retries repeat its id."""

    __tablename__ = "flipad_delivery"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    received: Mapped[float] = mapped_column(index=True)


class Told(Base):
    """What a channel was told of already, and about when that was last seen: against repetition."""

    __tablename__ = "flipad_told"

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[float]
    __table_args__ = (
        UniqueConstraint("channel", "key", name="uq_flipad_told"),
        Index("ix_flipad_told_at", "at"),
    )


class Total(Base):
    """What metrics count, over restarts and purges, by name, schedule ("" for none) and outcome."""

    __tablename__ = "flipad_total"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    schedule: Mapped[str] = mapped_column(String(64), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[float]
