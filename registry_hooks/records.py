"""What the work table looks like in SQL, and engines that make its transactions safe."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flipad_ops.common.errors import StateError, UsageError

QUEUED, RUNNING, DONE, FAILED, SKIPPED = "queued", "running", "done", "failed", "skipped"
STATES = (QUEUED, RUNNING, DONE, FAILED, SKIPPED)

#: Raised when a table changes so that older code would go wrong; a new table needs no new number.
SCHEMA = 1
#: Seconds that SQLite waits for another writer.
BUSY = 30.0


class Base(DeclarativeBase):
    """Our tables."""

    metadata = MetaData()


class SchemaVersion(Base):
    """The number of the tables beside it, in its only row; tables without one count as 1."""

    __tablename__ = "flipad_schema"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    version: Mapped[int]


class Row(Base):
    """One generator version under one fit configuration.

    Times are seconds since 1970. `token` changes with every claim: whoever holds an old one
    has lost the work and can no longer write its outcome.
    """

    __tablename__ = "flipad_work"
    __table_args__ = (
        UniqueConstraint("model", "version", "config", name="uq_flipad_work"),
        Index("ix_flipad_work_claim", "state", "due"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str] = mapped_column(String(256))
    version: Mapped[int]
    config: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float] = mapped_column(default=0.0)
    owner: Mapped[str | None] = mapped_column(String(256), default=None)
    token: Mapped[str | None] = mapped_column(String(32), default=None)
    lease_until: Mapped[float | None] = mapped_column(default=None)
    started: Mapped[float | None] = mapped_column(default=None)
    kind: Mapped[str | None] = mapped_column(String(64), default=None)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    attributor: Mapped[str | None] = mapped_column(String(512), default=None)
    log: Mapped[str | None] = mapped_column(Text, default=None)
    created: Mapped[float]
    updated: Mapped[float]


class Delivery(Base):
    """A webhook delivery that was accepted; MLflow's retries repeat its id."""

    __tablename__ = "flipad_delivery"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    received: Mapped[float] = mapped_column(index=True)


class ScheduleRow(Base):
    """When a schedule of the configuration runs next, and who is running it.

    `slot` is the due time that was started last: the same slot is never started twice. `token`
    and `lease_until` are those of the scan that runs.
    """

    __tablename__ = "flipad_schedule"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    trigger: Mapped[str] = mapped_column(String(512))
    paused: Mapped[bool] = mapped_column(default=False)
    next_run: Mapped[float]
    slot: Mapped[float] = mapped_column(default=0.0)
    token: Mapped[str | None] = mapped_column(String(32), default=None)
    lease_until: Mapped[float | None] = mapped_column(default=None)


class ScanRow(Base):
    """One scan that a schedule started: what it found, or why it ended without."""

    __tablename__ = "flipad_scan"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    schedule: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), default=RUNNING)
    started: Mapped[float]
    ended: Mapped[float | None] = mapped_column(default=None)
    exit_code: Mapped[int | None] = mapped_column(default=None)
    verdict: Mapped[str | None] = mapped_column(String(16), default=None)
    scored: Mapped[int] = mapped_column(default=0)
    leaks: Mapped[int] = mapped_column(default=0)
    review: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    folder: Mapped[str] = mapped_column(Text)
    told: Mapped[bool] = mapped_column(default=False)


class ScanCounts(Base):
    """What a scan could not score, beside its `ScanRow`; a table of its own needs no migration."""

    __tablename__ = "flipad_scan_counts"

    scan: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)


class Attempt(Base):
    """An attempt at a fit that has ended: what metrics count."""

    __tablename__ = "flipad_attempt"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16), index=True)
    seconds: Mapped[float]
    ended: Mapped[float]


class DeliveryCount(Base):
    """Deliveries by outcome, of all receivers together and over their restarts."""

    __tablename__ = "flipad_delivery_count"

    outcome: Mapped[str] = mapped_column(String(32), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class Notice(Base):
    """A message on its way to a channel."""

    __tablename__ = "flipad_notice"
    __table_args__ = (Index("ix_flipad_notice_due", "state", "due"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    channel: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), default=QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    due: Mapped[float]
    created: Mapped[float]
    sent: Mapped[float | None] = mapped_column(default=None)
    payload: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text, default=None)


class Told(Base):
    """What a channel was told of already: the memory against repetition."""

    __tablename__ = "flipad_told"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    channel: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[float]
    __table_args__ = (UniqueConstraint("channel", "key", name="uq_flipad_told"),)


def open_engine(url: str) -> Engine:
    """An engine whose tables exist; those that an earlier version lacked are made.

    Raises
    ------
    UsageError
        The URL is not one, or the database cannot be reached.
    StateError
        A later version of flipad_ops made the tables.
    """
    try:
        engine = create_engine(url, pool_pre_ping=True, **_options(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # The URL may hold a password: not quoted.
        raise UsageError(f"The work table's URL cannot be used: {_plain(error)}.") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    try:
        _refuse_later(engine)
        _make_tables(engine)
        _note_version(engine)
    except StateError:
        engine.dispose()
        raise
    except DBAPIError as error:
        raise UsageError(f"The work table cannot be opened: {_plain(error.orig)}.") from error
    return engine


def _options(url: str) -> dict[str, Any]:
    return {"connect_args": {"timeout": BUSY}} if url.startswith("sqlite") else {}


def _refuse_later(engine: Engine) -> None:
    """Before anything is made: tables of a later version stay as they are."""
    if SchemaVersion.__tablename__ not in inspect(engine).get_table_names():
        return
    stored = _stored(engine)
    if stored is not None and stored > SCHEMA:
        raise StateError(
            f"The work table has schema {stored}, this version of flipad_ops knows {SCHEMA}: "
            "install the version that made it, or name another database."
        )


def _note_version(engine: Engine) -> None:
    if _stored(engine) is not None:
        return
    try:
        with engine.begin() as connection:
            connection.execute(insert(SchemaVersion).values(id=1, version=SCHEMA))
    except IntegrityError:
        pass  # another process noted it between the look and the INSERT


def _stored(engine: Engine) -> int | None:
    with engine.connect() as connection:
        found: int | None = connection.scalar(select(SchemaVersion.version))
        return found


def _make_tables(engine: Engine) -> None:
    names = set(Base.metadata.tables)
    if names <= set(inspect(engine).get_table_names()):
        return
    try:
        Base.metadata.create_all(engine)
    except DBAPIError:
        # Another process made them between the look and the CREATE.
        if not names <= set(inspect(engine).get_table_names()):
            raise


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # Python's driver begins transactions too late for a claim; `_begin_immediate` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={int(BUSY * 1000)}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _plain(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
