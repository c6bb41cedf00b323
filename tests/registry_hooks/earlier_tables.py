"""The hooks' tables as versions before alembic made them, with a row of each kind in them."""

from __future__ import annotations

from sqlalchemy import Connection, create_engine

CONFIG = "c" * 64
TABLES = """
CREATE TABLE flipad_schema (id INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (id));
CREATE TABLE flipad_work (
 id INTEGER NOT NULL, model VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
 config VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL, attempts INTEGER NOT NULL,
 due DOUBLE PRECISION NOT NULL, owner VARCHAR(256), token VARCHAR(32), lease_until DOUBLE PRECISION,
 started DOUBLE PRECISION, kind VARCHAR(64), reason TEXT, attributor VARCHAR(512), log TEXT,
 created DOUBLE PRECISION NOT NULL, updated DOUBLE PRECISION NOT NULL, PRIMARY KEY (id),
 CONSTRAINT uq_flipad_work UNIQUE (model, version, config));
CREATE INDEX ix_flipad_work_claim ON flipad_work (state, due);
CREATE TABLE flipad_delivery (
 id VARCHAR(128) NOT NULL, received DOUBLE PRECISION NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_flipad_delivery_received ON flipad_delivery (received);
CREATE TABLE flipad_schedule (
 name VARCHAR(64) NOT NULL, "trigger" VARCHAR(512) NOT NULL, paused BOOLEAN NOT NULL,
 next_run DOUBLE PRECISION NOT NULL, slot DOUBLE PRECISION NOT NULL, token VARCHAR(32),
 lease_until DOUBLE PRECISION, PRIMARY KEY (name));
CREATE TABLE flipad_scan (
 id INTEGER NOT NULL, schedule VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL,
 started DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, exit_code INTEGER, verdict VARCHAR(16),
 scored INTEGER NOT NULL, leaks INTEGER NOT NULL, review INTEGER NOT NULL, reason TEXT,
 folder TEXT NOT NULL, told BOOLEAN NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_flipad_scan_schedule ON flipad_scan (schedule);
CREATE TABLE flipad_scan_counts (
 scan INTEGER NOT NULL, skipped INTEGER NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (scan));
CREATE TABLE flipad_attempt (
 id INTEGER NOT NULL, outcome VARCHAR(16) NOT NULL, seconds DOUBLE PRECISION NOT NULL,
 ended DOUBLE PRECISION NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_flipad_attempt_outcome ON flipad_attempt (outcome);
CREATE TABLE flipad_delivery_count (
 outcome VARCHAR(32) NOT NULL, count BIGINT NOT NULL, PRIMARY KEY (outcome));
CREATE TABLE flipad_notice (
 id INTEGER NOT NULL, channel VARCHAR(64) NOT NULL, kind VARCHAR(16) NOT NULL,
 state VARCHAR(16) NOT NULL, attempts INTEGER NOT NULL, due DOUBLE PRECISION NOT NULL,
 created DOUBLE PRECISION NOT NULL, sent DOUBLE PRECISION, payload TEXT NOT NULL, reason TEXT,
 PRIMARY KEY (id));
CREATE INDEX ix_flipad_notice_due ON flipad_notice (state, due);
CREATE TABLE flipad_told (
 id INTEGER NOT NULL, channel VARCHAR(64) NOT NULL, "key" VARCHAR(64) NOT NULL,
 at DOUBLE PRECISION NOT NULL, PRIMARY KEY (id),
 CONSTRAINT uq_flipad_told UNIQUE (channel, "key"));
"""
#: On a clock that says 5000.
ROWS = f"""
INSERT INTO flipad_schema VALUES (1, 1);
INSERT INTO flipad_work VALUES
 (1, 'gan', 1, '{CONFIG}', 'done', 1, 10, NULL, NULL, NULL, 20, NULL, NULL, 'gan-attributor/1',
  '/l/1.log', 10, 90),
 (2, 'gan', 2, '{CONFIG}', 'queued', 2, 7000, NULL, NULL, NULL, 20, 'Crashed', 'It crashed.', NULL,
  '/l/2.log', 10, 91),
 (4, 'gan', 3, '{CONFIG}', 'running', 1, 10, 'host:1:2', 'a-token', 5030, 4990, NULL, NULL, NULL,
  '/l/3.log', 10, 4990),
 (5, 'gan', 4, '{CONFIG}', 'failed', 1, 10, NULL, NULL, NULL, 20, 'GateFailed', 'No.', NULL,
  '/l/4.log', 10, 4000.5);
INSERT INTO flipad_delivery VALUES ('delivery-1', 4999);
INSERT INTO flipad_schedule VALUES
 ('nightly', '0 2 * * * | UTC | 0', FALSE, 9000, 4000, 'scan-token', 5040),
 ('weekly', '0 3 * * 0 | UTC | 0', TRUE, 9500, 0, NULL, NULL);
INSERT INTO flipad_scan VALUES
 (1, 'nightly', 'ended', 1000, 1100, 3, 'leak', 100, 7, 1, NULL, '/l/scans/1', TRUE),
 (2, 'nightly', 'ended', 2000, 2100, 4, NULL, 50, 0, 0, 'Incomplete.', '/l/scans/2', FALSE),
 (3, 'nightly', 'lost', 3000, 3100, NULL, NULL, 0, 0, 0, 'The process that ran it was lost.',
  '/l/scans/3', TRUE),
 (4, 'nightly', 'running', 4000, NULL, NULL, NULL, 0, 0, 0, NULL, '/l/scans/4', FALSE);
INSERT INTO flipad_scan_counts VALUES (1, 5, 0), (2, 1, 2);
INSERT INTO flipad_attempt VALUES
 (1, 'done', 70, 90), (2, 'retried', 5, 91), (3, 'done', 30, 95), (4, 'lost', 8000, 96);
INSERT INTO flipad_delivery_count VALUES ('queued', 40), ('refused', 2);
INSERT INTO flipad_notice VALUES
 (7, 'ops', 'scan_failed', 'queued', 3, 6000, 2101.75, NULL, '{{"event": "scan_failed", "new": 1}}',
  'answer 500'),
 (8, 'ops', 'findings', 'done', 1, 10, 1101, 1102, '{{"event": "findings", "new": 7}}', NULL);
INSERT INTO flipad_told VALUES (1, 'ops', '{"e" * 64}', 1101);
"""


def make(url: str) -> None:
    """An empty database becomes one of an earlier version."""
    engine = create_engine(url)
    with engine.begin() as connection:
        tables = TABLES
        if engine.dialect.name == "sqlite":
            tables = TABLES.replace("DOUBLE PRECISION", "DOUBLE")
        _run(connection, tables + ROWS)
    engine.dispose()


def _run(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)
