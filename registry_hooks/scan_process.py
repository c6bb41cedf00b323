"""One scheduled scan: its own process, its lease, its records, its end in the table."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.tracing import span
from registry_hooks.child import child_environment
from registry_hooks.schedule_table import ScheduleTable, Start
from registry_hooks.schedules import RECORDS, Schedule

logger = logging.getLogger("flipad.hooks")

ENTRY = (sys.executable, "-m", "registry_hooks.scan_entry")
#: Seconds for a scan to save its ledger.
GRACE = 30.0
LOOK = 0.2
#: What exit codes without findings mean, in words for a table.
MEANING = {
    0: "Complete, nothing found.",
    3: "Findings.",
    4: "Incomplete: something could not be listed or read.",
    5: "No image was scanned.",
    6: "An attributor is missing, uncalibrated or not made for this final layer.",
}


def run_scan(
    table: ScheduleTable,
    schedule: Schedule,
    start: Start,
    stop: threading.Event,
    registry: str | None = None,
    command: Sequence[str] = ENTRY,
) -> int | None:
    """Run a claimed scan to its end.

    Returns
    -------
    int or None
        The exit code of `flipadops scan`; None when no process could be started or its lease was
        lost.
    """
    with span("schedule", schedule=schedule.name):
        try:
            process = _start(schedule, start.folder, registry, command)
        except OSError as error:
            _write(table, start, {"reason": f"It could not be started: {error}."})
            return None
        logger.info(
            "Schedule %s: scan started, see %s",
            schedule.name,
            start.folder,
            extra={"schedule": schedule.name},
        )
        assert process.stdin is not None
        with process.stdin:
            why = _attend(table, schedule, start, process, stop)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if why == "lost":
            return None
        found = read_end(start.folder, process.returncode)
        if why:
            found["reason"] = why
            # What runs by the clock is caught up after a restart.
            found["again"] = stop.is_set() and start.slot is not None
        _write(table, start, found)
        logger.info(
            "Schedule %s: %s",
            schedule.name,
            found["reason"] or f"{found['leaks']} leaks",
            extra={"schedule": schedule.name},
        )
        return process.returncode


def _start(
    schedule: Schedule, folder: Path, registry: str | None, command: Sequence[str]
) -> subprocess.Popen[bytes]:
    environment = child_environment(FLIPADOPS_SCHEDULE=schedule.name)
    if registry:
        environment["MLFLOW_TRACKING_URI"] = registry
    folder.parent.mkdir(parents=True, exist_ok=True)
    _prune(folder.parent, schedule.keep - 1)
    folder.mkdir()
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            [*command, *schedule.words(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def _attend(
    table: ScheduleTable,
    schedule: Schedule,
    start: Start,
    process: subprocess.Popen[bytes],
    stop: threading.Event,
) -> str:
    """Wait for the end; why it was ended before, "" if it was not."""
    began = beat = time.monotonic()
    while process.poll() is None:
        if stop.wait(LOOK):
            _interrupt(process)
            return "The service was stopped."
        now = time.monotonic()
        if now - began > schedule.time_limit:
            _interrupt(process)
            return f"The scan took longer than {schedule.time_limit:g} s."
        if now - beat > table.lease / 3:
            try:
                held: bool | None = table.heartbeat(start)
            except SQLAlchemyError as error:
                logger.warning(
                    "Schedule %s: no heartbeat: %s",
                    schedule.name,
                    type(error).__name__,
                    extra={"schedule": schedule.name},
                )
                held = None
            if held:
                beat = now
            elif held is False or now - beat > table.lease * 0.8:
                process.kill()
                process.wait()
                return "lost"
    return ""


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def read_end(folder: Path, code: int) -> dict[str, Any]:
    """The table's fields from what a scan left in its folder."""
    summary: dict[str, Any] = {}
    with (
        contextlib.suppress(OSError, ValueError, IndexError),
        (folder / RECORDS).open(encoding="utf-8") as lines,
    ):
        summary = json.loads(deque(lines, maxlen=1)[0])
    if code in (0, 3):
        reason = None
    elif code in MEANING:
        reason = MEANING[code]
    elif code < 0:
        reason = f"The scan ended by signal {signal.Signals(-code).name}."
    else:
        reason = f"The scan ended with code {code}."
    if reason is not None:
        reason = " ".join([reason, _last_line(folder / "log.txt")]).strip()
    return {
        "exit_code": code,
        "verdict": summary.get("verdict"),
        "scored": int(summary.get("scored", 0)),
        "leaks": int(summary.get("leak", 0)),
        "review": int(summary.get("review", 0)),
        "unscored": (int(summary.get("skipped", 0)), int(summary.get("failed", 0))),
        "reason": reason,
    }


def _last_line(log: Path) -> str:
    try:
        with log.open(encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in deque(stream, maxlen=5) if line.strip()]
    except OSError:
        return ""
    return _message(lines[-1])[:300] if lines else ""


def _message(line: str) -> str:
    """What a line says, be it text or one of `--log-format json`."""
    if line.startswith("{"):
        with contextlib.suppress(ValueError, KeyError):
            return str(json.loads(line)["message"])
    return line


def _write(table: ScheduleTable, start: Start, found: dict[str, Any]) -> None:
    # If the database stays away, the lease runs out and the scan counts as lost.
    for pause in (1.0, 5.0, 15.0, 0.0):
        try:
            table.finish(start, **found)
        except SQLAlchemyError as error:
            logger.warning("Scan's end not written: %s", type(error).__name__)
            time.sleep(pause)
        else:
            return


def _prune(folder: Path, keep: int) -> None:
    newest_first = sorted(
        (path for path in folder.iterdir() if path.is_dir()),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    for old in newest_first[keep:]:
        shutil.rmtree(old, ignore_errors=True)
