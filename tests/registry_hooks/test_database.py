"""Databases of earlier and later versions, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.orm import Session, sessionmaker

from flipad_ops.common.errors import StateError
from registry_hooks import database
from registry_hooks.database import HEAD, VERSION_TABLE, open_database
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.metrics import Deliveries, exposition
from registry_hooks.notice_jobs import NoticeQueue
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schema import DONE, FAILED, QUEUED, RUNNING, Base, Delivery, Told
from tests.registry_hooks.earlier_tables import CONFIG, make
from tests.registry_hooks.postgres import postgres

OPENER = """
import sys
from registry_hooks.database import open_database
sys.stdin.readline()
with open_database(sys.argv[1])() as session:
    print(session.connection().exec_driver_sql("SELECT count(*) FROM flipad_job").scalar())
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/work.db"
    else:
        with postgres() as server:
            yield server


@pytest.fixture
def earlier(url: str) -> Iterator[sessionmaker[Session]]:
    make(url)
    sessions = open_database(url)
    yield sessions
    FitQueue(sessions).close()


def clock() -> float:
    return 5000.0


def test_fits_go_on_where_they_were(earlier: sessionmaker[Session]) -> None:
    fits = FitQueue(earlier, clock=clock)
    found = {row.id: row for row in fits.rows()}
    assert {row.uri: row.state for row in found.values()} == {
        "models:/gan/1": DONE, "models:/gan/2": QUEUED, "models:/gan/3": RUNNING,
        "models:/gan/4": FAILED,
    }  # fmt: skip
    assert (found[1].attributor, found[1].log) == ("gan-attributor/1", "/l/1.log")
    # A channel that was told of a failure knows it by this id and time.
    assert (found[5].model, found[5].version, found[5].updated) == ("gan", 4, 4000.5)
    assert (found[2].attempts, found[2].due, found[2].reason) == (2, 7000, "It crashed.")
    assert fits.claim("b", CONFIG) is None
    assert fits.heartbeat(found[4])
    assert fits.retry(found[4], "Once more.") == QUEUED
    assert fits.enqueue([("gan", 1), ("gan", 5)], CONFIG) == 1
    assert not fits.receive("delivery-1", [("gan", 9)], CONFIG)


def test_schedules_and_scans_go_on_where_they_were(earlier: sessionmaker[Session]) -> None:
    scans = ScanQueue(earlier, clock=clock)
    times = scans.times()
    assert (times["nightly"].next_run, times["nightly"].slot) == (9000, 4000)
    assert times["weekly"].paused
    running, lost, incomplete, first = scans.newest("nightly")
    assert (running.state, lost.state, incomplete.exit_code) == (RUNNING, "lost", 4)
    assert (first.verdict, first.leaks, first.skipped, first.folder) == ("leak", 7, 5, "/l/scans/1")
    assert incomplete.unreadable == 2
    assert [scan.id for scan in scans.untold()] == [incomplete.id]
    assert scans.start("nightly", Path("/l")) is None, "one of them runs"
    assert scans.heartbeat(running)
    assert scans.end(running, exit_code=0)
    assert scans.start("nightly", Path("/l")) is not None


def test_messages_and_what_was_told_stay(earlier: sessionmaker[Session]) -> None:
    notices = NoticeQueue(earlier, clock)
    sent, waiting = notices.newest()
    assert (sent.state, sent.ended, sent.event) == (DONE, 1102, "findings")
    assert (waiting.state, waiting.attempts, waiting.due) == (QUEUED, 3, 6000)
    assert (waiting.channel, waiting.key) == ("ops", "flipad-7-2101"), "its id at the receiver"
    assert waiting.payload == {"event": "scan_failed", "new": 1}
    with earlier() as session:
        assert session.scalars(select(Told.key)).all() == ["e" * 64]
        assert session.scalars(select(Delivery.id)).all() == ["delivery-1"]


def test_metrics_count_on_and_no_purge_takes_from_them(earlier: sessionmaker[Session]) -> None:
    before = exposition(earlier, Deliveries(earlier), clock).decode()
    for line in (
        'flipad_deliveries_total{outcome="queued"} 40.0',
        'flipad_attempts_total{outcome="done"} 2.0',
        'flipad_fit_duration_seconds_sum{outcome="done"} 100.0',
        'flipad_fit_duration_seconds_bucket{le="60.0",outcome="done"} 1.0',
        'flipad_fit_duration_seconds_bucket{le="+Inf",outcome="lost"} 1.0',
        'flipad_scans_total{outcome="findings",schedule="nightly"} 1.0',
        'flipad_scans_total{outcome="lost",schedule="nightly"} 1.0',
        'flipad_scanned_images_total{schedule="nightly"} 150.0',
        'flipad_findings_total{schedule="nightly",verdict="leak"} 7.0',
        'flipad_skipped_images_total{schedule="nightly"} 6.0',
        'flipad_unreadable_images_total{schedule="nightly"} 2.0',
        'flipad_schedule_last_success_timestamp_seconds{schedule="nightly"} 1100.0',
    ):
        assert line in before.splitlines()
    late = 5000.0 + 400 * 86_400.0
    scans, notices = ScanQueue(earlier, clock=lambda: late), NoticeQueue(earlier, lambda: late)
    scans.purge()
    notices.purge()
    assert [scan.state for scan in scans.newest()] == [RUNNING]
    assert [notice.state for notice in notices.newest()] == [QUEUED]
    totals = [line for line in before.splitlines() if "_total" in line or "_bucket" in line]
    assert set(totals) <= set(exposition(earlier, Deliveries(earlier), clock).decode().splitlines())


def test_a_new_and_a_migrated_database_are_what_the_code_says(url: str) -> None:
    make(url)
    for _ in range(2):  # the second time there is nothing to do
        FitQueue(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        changes = compare_metadata(context, Base.metadata)
        # Versions from before alembic read it, and refuse the database.
        assert [(each[0], each[1].name) for each in changes] == [("remove_table", "flipad_schema")]
        assert connection.scalar(text("SELECT version FROM flipad_schema")) == 2
        if engine.dialect.name == "postgresql":
            owned = "SELECT pg_get_serial_sequence('flipad_job', 'id')"
            assert connection.scalar(text(owned))
    engine.dispose()


def test_the_last_script_is_the_one_that_the_code_expects() -> None:
    config = Config()
    folder = Path(database.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@pytest.mark.e2e
@pytest.mark.parametrize("old", [False, True])
def test_processes_that_open_it_at_once_migrate_it_once(url: str, old: bool) -> None:
    if old:
        make(url)
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("go\n")
        opener.stdin.flush()
    counts = [opener.communicate()[0].strip() for opener in openers]
    assert [opener.returncode for opener in openers] == [0, 0, 0]
    assert counts == ["10" if old else "0"] * 3


def test_a_later_database_is_refused_and_left_alone(url: str) -> None:
    FitQueue(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '0009'")
        connection.exec_driver_sql("DROP TABLE flipad_told")
    with pytest.raises(StateError, match=r"schema 0009, .* or name another database\.$"):
        open_database(url)
    assert "flipad_told" not in inspect(engine).get_table_names()
    engine.dispose()


def test_a_migration_that_fails_leaves_everything(tmp_path: Path) -> None:
    file = tmp_path / "work.db"
    make(f"sqlite:///{file}")
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE flipad_notice DROP COLUMN payload")
    before = _fingerprint(f"sqlite:///{file}")
    with pytest.raises(Exception, match="payload"):
        open_database(f"sqlite:///{file}")
    assert _fingerprint(f"sqlite:///{file}") == before
    engine.dispose()


def _fingerprint(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        tables = sorted(inspect(connection).get_table_names())
        rows = [connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall() for name in tables]
    engine.dispose()
    return hashlib.sha256(repr((tables, rows)).encode()).hexdigest()
