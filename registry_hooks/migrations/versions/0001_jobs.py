"""One table of jobs and one of totals; what earlier versions kept in nine tables moves there."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None

#: By which versions from before alembic refuse the database instead of beginning it anew.
SCHEMA = 2
#: Upper bounds (seconds) of the histogram of attempts at fits.
BUCKETS = (10, 60, 300, 900, 3600, 14400)
OUTCOME = """CASE WHEN state <> 'ended' THEN state WHEN exit_code IS NULL THEN 'not started'
 WHEN exit_code = 0 THEN 'clean' WHEN exit_code = 2 THEN 'usage' WHEN exit_code = 3 THEN 'findings'
 WHEN exit_code = 4 THEN 'incomplete' WHEN exit_code = 5 THEN 'nothing'
 WHEN exit_code = 6 THEN 'attributor' WHEN exit_code IN (130, 143) THEN 'interrupted'
 ELSE 'crashed' END"""
TOTAL = "INSERT INTO flipad_total (name, schedule, outcome, value) SELECT "

FITS = """
INSERT INTO flipad_job (id, kind, queue, key, state, attempts, due, owner, token, lease_until,
 started, ended, error, reason, attributor, log, created, updated)
SELECT id, 'fit', config, model || '/' || version, state, attempts, due, owner, token, lease_until,
 started, CASE WHEN state IN ('queued', 'running') THEN NULL ELSE updated END, kind, reason,
 attributor, log, created, updated FROM flipad_work ORDER BY id"""
#: Of a schedule's scans only the newest can be running: it has the schedule's lease. Others that
#: seem to run were lost.
SCANS = """
INSERT INTO flipad_job (kind, queue, state, attempts, due, token, lease_until, started, ended,
 reason, folder, exit_code, verdict, scored, leaks, review, skipped, unreadable, told, created,
 updated)
SELECT 'scan', s.schedule,
 CASE WHEN s.state = 'running' AND NOT {runs} THEN 'lost' ELSE s.state END, 1, s.started,
 CASE WHEN {runs} THEN t.token END, CASE WHEN {runs} THEN COALESCE(t.lease_until, 0) END,
 s.started, CASE WHEN s.state = 'running' AND NOT {runs} THEN s.started ELSE s.ended END,
 CASE WHEN s.state = 'running' AND NOT {runs} THEN 'The process that ran it was lost.'
  ELSE s.reason END,
 s.folder, s.exit_code, s.verdict, s.scored, s.leaks, s.review, {skipped}, {failed}, s.told,
 s.started, COALESCE(s.ended, s.started)
FROM flipad_scan s LEFT JOIN flipad_schedule t ON t.name = s.schedule {counts} ORDER BY s.id"""
RUNS = """(s.state = 'running'
 AND s.id = (SELECT max(o.id) FROM flipad_scan o WHERE o.schedule = s.schedule))"""
#: The ids under which channels may have seen them.
NOTICES = """
INSERT INTO flipad_job (kind, queue, key, state, attempts, due, ended, reason, event, payload,
 created, updated)
SELECT 'notice', channel, 'flipad-' || id || '-' || {whole}, state, attempts, due,
 CASE WHEN state = 'queued' THEN NULL ELSE COALESCE(sent, due) END, reason, kind, payload, created,
 COALESCE(sent, created) FROM flipad_notice ORDER BY id"""


def upgrade() -> None:
    """Make the tables and move what there is."""
    bind = op.get_bind()
    old = set(sa.inspect(bind).get_table_names())
    _create(old)
    postgres = bind.dialect.name == "postgresql"
    if "flipad_work" in old:
        op.execute(FITS)
        if postgres:
            op.execute(
                "SELECT setval(pg_get_serial_sequence('flipad_job', 'id'), "
                "(SELECT COALESCE(max(id), 0) + 1 FROM flipad_job))"
            )
    if "flipad_attempt" in old:
        _attempts()
    if "flipad_scan" in old:
        _scans("flipad_scan_counts" in old)
    if "flipad_schedule" in old:
        with op.batch_alter_table("flipad_schedule") as table:
            table.drop_column("token")
            table.drop_column("lease_until")
    if "flipad_notice" in old:
        whole = "CAST(trunc(created) AS BIGINT)" if postgres else "CAST(created AS INTEGER)"
        op.execute(NOTICES.format(whole=whole))
    if "flipad_delivery_count" in old:
        op.execute(f"{TOTAL} 'flipad_deliveries', '', outcome, count FROM flipad_delivery_count")
    gone = ["work", "attempt", "scan_counts", "scan", "notice", "delivery_count"]
    for name in [f"flipad_{each}" for each in gone]:
        if name in old:
            op.drop_table(name)
    op.execute("DELETE FROM flipad_schema")
    schema = sa.table("flipad_schema", sa.column("id"), sa.column("version"))
    op.execute(schema.insert().values(id=1, version=SCHEMA))


def _attempts() -> None:
    fits = "FROM flipad_attempt GROUP BY outcome"
    op.execute(f"{TOTAL} 'flipad_attempts', '', outcome, count(*) {fits}")
    op.execute(f"{TOTAL} 'flipad_fit_duration_seconds_sum', '', outcome, sum(seconds) {fits}")
    for limit in BUCKETS:
        below = f"sum(CASE WHEN seconds <= {limit} THEN 1 ELSE 0 END)"
        op.execute(f"{TOTAL} 'flipad_fit_duration_seconds_{limit}', '', outcome, {below} {fits}")


def _scans(counted: bool) -> None:
    columns = {"skipped": "0", "failed": "0", "counts": ""}
    if counted:
        columns = {
            "skipped": "COALESCE(c.skipped, 0)",
            "failed": "COALESCE(c.failed, 0)",
            "counts": "LEFT JOIN flipad_scan_counts c ON c.scan = s.id",
        }
    op.execute(SCANS.format(runs=RUNS, **columns))
    scans = "FROM flipad_job WHERE kind = 'scan'"
    over = f"SELECT queue, {OUTCOME} AS outcome {scans} AND ended IS NOT NULL"
    op.execute(f"{TOTAL} 'flipad_scans', queue, outcome, count(*) FROM ({over}) q GROUP BY 2, 3")
    for name, outcome, column in (
        ("scanned_images", "", "scored"), ("findings", "leak", "leaks"),
        ("findings", "review", "review"), ("skipped_images", "", "skipped"),
        ("unreadable_images", "", "unreadable"),
    ):  # fmt: skip
        total = f"{TOTAL} 'flipad_{name}', queue, '{outcome}', sum({column})"
        op.execute(f"{total} {scans} GROUP BY queue")
    last = f"{TOTAL} 'flipad_schedule_last_success_timestamp_seconds', queue, '', max(ended)"
    op.execute(f"{last} {scans} AND exit_code IN (0, 3) AND ended IS NOT NULL GROUP BY queue")


def _create(old: set[str]) -> None:
    text, number = sa.Text(), sa.Integer()
    moment: sa.Double[float] = sa.Double()
    op.create_table(
        "flipad_job",
        sa.Column("id", number, primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("queue", sa.String(64), nullable=False),
        sa.Column("key", sa.String(320)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", number, nullable=False),
        sa.Column("due", moment, nullable=False),
        sa.Column("owner", sa.String(256)),
        sa.Column("token", sa.String(32)),
        *[sa.Column(name, moment) for name in ("lease_until", "started", "ended")],
        sa.Column("error", sa.String(64)),
        sa.Column("reason", text),
        *[sa.Column(name, moment, nullable=False) for name in ("created", "updated")],
        sa.Column("attributor", sa.String(512)),
        *[sa.Column(name, text) for name in ("log", "folder", "findings", "payload")],
        sa.Column("verdict", sa.String(16)),
        sa.Column("event", sa.String(16)),
        *[
            sa.Column(name, number)
            for name in ("exit_code", "scored", "leaks", "review", "skipped", "unreadable")
        ],
        sa.Column("told", sa.Boolean()),
        sa.UniqueConstraint("kind", "queue", "key", name="uq_flipad_job"),
    )
    op.create_index("ix_flipad_job_claim", "flipad_job", ["kind", "state", "due"])
    op.create_index("ix_flipad_job_queue", "flipad_job", ["kind", "queue", "ended"])
    op.create_table(
        "flipad_total",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("schedule", sa.String(64), primary_key=True),
        sa.Column("outcome", sa.String(32), primary_key=True),
        sa.Column("value", moment, nullable=False),
    )
    if "flipad_schema" not in old:
        op.create_table(
            "flipad_schema",
            sa.Column("id", number, primary_key=True, autoincrement=False),
            sa.Column("version", number, nullable=False),
        )
    if "flipad_schedule" not in old:
        op.create_table(
            "flipad_schedule",
            sa.Column("name", sa.String(64), primary_key=True),
            sa.Column("trigger", sa.String(512), nullable=False),
            sa.Column("paused", sa.Boolean(), nullable=False),
            *[sa.Column(name, moment, nullable=False) for name in ("next_run", "slot")],
        )
    if "flipad_delivery" not in old:
        op.create_table(
            "flipad_delivery",
            sa.Column("id", sa.String(128), primary_key=True),
            sa.Column("received", moment, nullable=False),
        )
        op.create_index("ix_flipad_delivery_received", "flipad_delivery", ["received"])
    if "flipad_told" not in old:
        op.create_table(
            "flipad_told",
            sa.Column("id", number, primary_key=True),
            sa.Column("channel", sa.String(64), nullable=False),
            sa.Column("key", sa.String(64), nullable=False),
            sa.Column("at", moment, nullable=False),
            sa.UniqueConstraint("channel", "key", name="uq_flipad_told"),
        )
