"""Turns ended scans and failed fits into messages, and sends them."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.errors import FlipadError
from registry_hooks.channels import Channel
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.messages import FINDINGS, FIT_FAILED, SCAN_FAILED
from registry_hooks.notice_jobs import NoticeQueue
from registry_hooks.scan_jobs import SUCCESS, ScanQueue
from registry_hooks.scan_run import read_findings
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, FAILED, Fit, Scan
from registry_hooks.senders import NotSent, send
from registry_hooks.supervisor import JobLog

logger = logging.getLogger("flipad.hooks")

#: Seconds between two looks.
LOOK = 2.0
#: Seconds for which a scan of a schedule that we do not have waits for a service that has it.
ORPHANED = 86_400.0
#: Seconds of changes that are looked at again.
OVERLAP = 3600.0


class Notifier:
    """Call `run` in a thread, or `step` by hand.

    Parameters
    ----------
    failed_fits : sequence of str
        Channels that hear of generator versions without attributor.
    """

    def __init__(
        self,
        fits: FitQueue,
        channels: Mapping[str, Channel],
        schedules: Sequence[Schedule],
        failed_fits: Sequence[str],
        stop: threading.Event,
        sender: Callable[[Channel, str, Mapping[str, Any]], None] = send,
    ) -> None:
        self._fits, self._channels, self._stop, self._send = fits, channels, stop, sender
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._failed_fits, self._seen, self._since = failed_fits, set[str](), 0.0
        self.outbox = NoticeQueue(fits.sessions, fits.clock)
        self._scans = ScanQueue(fits.sessions, clock=fits.clock)
        self._owner = f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        """Until stopped; a database that is away is waited for."""
        while not self._stop.is_set():
            try:
                self.step()
            except SQLAlchemyError as error:
                logger.warning("Notifications wait: %s", type(error).__name__)
            except Exception:  # one odd record must not silence all that follows
                logger.exception("Notifications wait.")
            self._stop.wait(LOOK)

    def step(self) -> None:
        """Write the messages that are missing, and send those that are due."""
        self._collect_scans()
        self._collect_fits()
        for channel in self._channels.values():
            while not self._stop.is_set() and self._deliver(channel):
                pass
        self.outbox.purge()

    def _collect_scans(self) -> None:
        for scan in self._scans.untold():
            schedule = self._schedules.get(scan.schedule)
            if schedule is None:
                self._leave(scan)
                continue
            facts = {"scan": _facts(scan)}
            items = _items(scan) if scan.leaks or scan.review else []
            for channel in schedule.on_finding if items else ():
                self.outbox.put(channel, FINDINGS, items, facts)
            failed = scan.exit_code not in SUCCESS
            for channel in schedule.on_failure if failed else ():
                failure = [(f"scan:{scan.schedule}:{scan.started}", {"reason": scan.reason})]
                self.outbox.put(channel, SCAN_FAILED, failure, facts, "failures")
            # Last: what was told already is not told again when this is repeated.
            self._scans.tell(scan)

    def _leave(self, scan: Scan) -> None:
        """To a service on the table that has the schedule in its configuration, if there is one."""
        if (scan.ended or 0.0) < self._fits.clock() - ORPHANED:
            logger.warning("Nobody has schedule %s: its scan is told to nobody.", scan.schedule)
            self._scans.tell(scan)

    def _collect_fits(self) -> None:
        if not self._failed_fits:
            return
        rows = self._fits.rows(FAILED, since=self._since)
        failed = {_fit_key(row): row for row in rows}
        # The database remembers for good; this spares it the question every time.
        unseen = {key: row for key, row in failed.items() if key not in self._seen}
        for channel in self._failed_fits if unseen else ():
            items = ((key, _fit_facts(row)) for key, row in unseen.items())
            self.outbox.put(channel, FIT_FAILED, items, {}, "failures")
        self._seen = set(failed)
        # Clocks of several machines do not agree to the second.
        self._since = max([self._since, *(row.updated - OVERLAP for row in rows)])

    def _deliver(self, channel: Channel) -> bool:
        notice = self.outbox.take(channel, self._owner)
        if notice is None:
            return False
        log = JobLog(f"Channel {channel.name}", channel=channel.name)
        try:
            self._send(channel, str(notice.key), notice.payload or {})
        except (NotSent, FlipadError) as error:
            state = self.outbox.retry(notice, str(error))
            log.warning("message %d %s: %s", notice.id, state, error)
        else:
            self.outbox.finish(notice, DONE)
            log.info("message %d sent (%s)", notice.id, notice.event)
        return True


def _items(scan: Scan) -> list[tuple[str, dict[str, Any]]]:
    """What there is to tell of a scan with findings.

    Scans of earlier versions left them in their folder alone, and any folder may be gone, or on
    another machine: that there are findings is told all the same.
    """
    found = scan.findings or list(read_findings(Path(str(scan.folder))))
    if found:
        return [(_finding_key(each), each) for each in found]
    return [(f"scan:{scan.schedule}:{scan.started}:findings", {})]


def _finding_key(found: Mapping[str, Any]) -> str:
    """The same picture under the same attributor is one finding, wherever it lies."""
    return f"finding:{found['attributor']}:{found['sha256'] or found['key']}"


def _fit_key(row: Fit) -> str:
    """A failure after another retry is another failure."""
    return f"fit:{row.id}:{row.updated}"


def _fit_facts(row: Fit) -> dict[str, Any]:
    named = {name: getattr(row, name) for name in ("model", "version", "reason", "attempts")}
    return {**named, "kind": row.error}


def _facts(scan: Scan) -> dict[str, Any]:
    names = "schedule started ended exit_code verdict scored leaks review reason said folder"
    return {name: getattr(scan, name) for name in names.split()}
