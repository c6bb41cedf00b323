"""One scheduled scan: its own process, its records, its end in the queue."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flipad_ops.common.child_process import PARENT_PIPE, python_module
from flipad_ops.common.tracing import span
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import RECORDS, Schedule
from registry_hooks.schema import Scan
from registry_hooks.supervisor import (
    LOST,
    OVERTIME,
    STOPPED,
    Child,
    JobLog,
    attend,
    child_environment,
    settle,
)

logger = logging.getLogger("flipad.hooks")

ENTRY = (*python_module("flipad_ops"), "scan")
#: Seconds for a scan to save its ledger.
GRACE = 30.0
#: What exit codes without findings mean, in words for a table.
MEANING = {
    0: "Complete, nothing found.",
    3: "Findings.",
    4: "Incomplete: something could not be listed or read, or too much was skipped.",
    5: "No image was scanned.",
    6: "An attributor is missing, uncalibrated or not made for this final layer.",
    8: "The MLflow registry does not answer.",
    7: "Nothing found, but an output could not be written or MLflow not be reached.",
}
#: Sentences of a summary that go with every result.
_SAID = ("coverage_said", "sample_said", "power", "over_time_said")
#: What a message says of a finding.
_SHOWN = ("key", "target", "attributor", "score", "p", "q", "verdict", "why", "sha256")


def run_scan(
    queue: ScanQueue,
    schedule: Schedule,
    scan: Scan,
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
    log = schedule_log(schedule.name)
    folder = Path(str(scan.folder))
    with span("schedule", schedule=schedule.name):
        try:
            child = _start(schedule, folder, registry, command)
        except OSError as error:
            reason = f"It could not be started: {error}."
            settle(lambda: queue.end(scan, reason=reason), log)
            return None
        log.info("scan started, see %s", folder)
        try:
            why = attend(queue, scan, child, stop, schedule.time_limit, log)
        finally:
            if child.poll() is None:
                child.stop()
        code = child.wait()
        if why == LOST:
            return None
        found = read_end(folder, code)
        if why == OVERTIME:
            found["reason"] = f"The scan took longer than {schedule.time_limit:g} s."
        elif why == STOPPED:
            found["reason"] = "The service was stopped."
        # What runs by the clock is caught up after a restart.
        again = stop.is_set() and bool(why) and scan.by_clock
        settle(lambda: queue.end(scan, again, **found), log)
        log.info("%s", found["reason"] or f"{found['leaks']} leaks")
        return code


def schedule_log(name: str) -> JobLog:
    """The log of a schedule's scans."""
    return JobLog(f"Schedule {name}", schedule=name)


def _start(schedule: Schedule, folder: Path, registry: str | None, command: Sequence[str]) -> Child:
    more = {"FLIPADOPS_SCHEDULE": schedule.name, PARENT_PIPE: "1"}
    if registry:
        more["MLFLOW_TRACKING_URI"] = registry
    folder.parent.mkdir(parents=True, exist_ok=True)
    _prune(folder.parent, schedule.keep - 1)
    folder.mkdir()
    return Child(
        [*command, *schedule.words(folder)],
        folder / "log.txt",
        child_environment(**more),
        folder=schedule.root,
        grace=GRACE,
        ask=signal.SIGTERM,
    )


def read_end(folder: Path, code: int) -> dict[str, Any]:
    """The fields of a scan from what its process left in its folder."""
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
    flagged = summary.get("leak") or summary.get("review")
    return {
        "exit_code": code,
        "verdict": summary.get("verdict"),
        "said": " ".join(f"{summary[name]}." for name in _SAID if summary.get(name)) or None,
        "scored": int(summary.get("scored", 0)),
        "leaks": int(summary.get("leak", 0)),
        "review": int(summary.get("review", 0)),
        "skipped": int(summary.get("skipped", 0)),
        "unreadable": int(summary.get("failed", 0)),
        "findings": list(read_findings(folder)) if flagged else [],
        "reason": reason,
    }


def read_findings(folder: Path) -> Iterator[dict[str, Any]]:
    """What a message may say of the findings of a scan; none when its records are gone."""
    try:
        with (folder / RECORDS).open(encoding="utf-8") as lines:
            for line in lines:
                found = json.loads(line)
                if found.get("verdict") not in ("leak", "review"):
                    continue
                if found.get("type") == "image" and not found.get("suppressed"):
                    yield {name: found.get(name) for name in _SHOWN}
    except (OSError, ValueError) as error:
        logger.warning("Records in %s cannot be read: %s", folder, type(error).__name__)


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


def _prune(folder: Path, keep: int) -> None:
    newest_first = sorted(
        (path for path in folder.iterdir() if path.is_dir()),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    for old in newest_first[keep:]:
        shutil.rmtree(old, ignore_errors=True)
