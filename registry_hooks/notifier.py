"""Turns ended scans and failed fits into messages, and sends them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from flipad_ops.common.errors import FlipadError
from registry_hooks.channels import Channel
from registry_hooks.messages import FINDINGS, FIT_FAILED, SCAN_FAILED
from registry_hooks.outbox import Outbox
from registry_hooks.records import FAILED, Row, ScanRow
from registry_hooks.schedules import RECORDS, Schedule
from registry_hooks.senders import NotSent, send
from registry_hooks.table import WorkTable

logger = logging.getLogger("flipad.hooks")

#: Seconds between two looks.
LOOK = 2.0
_SHOWN = ("key", "target", "attributor", "score", "p", "q", "verdict", "why", "sha256")


class Notifier:
    """Call `run` in a thread, or `step` by hand.

    Parameters
    ----------
    failed_fits : sequence of str
        Channels that hear of generator versions without attributor.
    """

    def __init__(
        self,
        table: WorkTable,
        channels: Mapping[str, Channel],
        schedules: Sequence[Schedule],
        failed_fits: Sequence[str],
        stop: threading.Event,
        sender: Callable[[Channel, str, Mapping[str, Any]], None] = send,
    ) -> None:
        self._table, self._channels, self._stop, self._send = table, channels, stop, sender
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._failed_fits, self._seen = failed_fits, set[str]()
        self.outbox = Outbox(table.sessions, table.clock)

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
        self.outbox.tidy()

    def _collect_scans(self) -> None:
        for scan in self.outbox.untold_scans():
            schedule = self._schedules.get(scan.schedule)
            to = schedule.on_finding if schedule else ()
            for channel in to if scan.leaks or scan.review else ():
                items = ((_finding_key(f), {k: f.get(k) for k in _SHOWN}) for f in _flagged(scan))
                self.outbox.put(channel, FINDINGS, items, {"scan": _facts(scan)})
            if scan.exit_code not in (0, 3):
                failure = [(f"scan:{scan.id}", {"reason": scan.reason})]
                for channel in schedule.on_failure if schedule else ():
                    self.outbox.put(
                        channel, SCAN_FAILED, failure, {"scan": _facts(scan)}, "failures"
                    )
            # Last: what was told already is not told again when this is repeated.
            self.outbox.told(scan)

    def _collect_fits(self) -> None:
        if not self._failed_fits:
            return
        failed = {_fit_key(row): row for row in self._table.rows() if row.state == FAILED}
        # The database remembers for good; this spares it the question every time.
        unseen = {key: row for key, row in failed.items() if key not in self._seen}
        for channel in self._failed_fits if unseen else ():
            items = ((key, _fit_facts(row)) for key, row in unseen.items())
            self.outbox.put(channel, FIT_FAILED, items, {}, "failures")
        self._seen = set(failed)

    def _deliver(self, channel: Channel) -> bool:
        taken = self.outbox.take(channel)
        if taken is None:
            return False
        notice, payload = taken
        try:
            self._send(channel, f"flipad-{notice.id}-{int(notice.created)}", payload)
        except (NotSent, FlipadError) as error:
            state = self.outbox.failed(notice, str(error))
            logger.warning(
                "Channel %s: message %d %s: %s",
                channel.name,
                notice.id,
                state,
                error,
                extra={"channel": channel.name},
            )
        else:
            self.outbox.sent(notice)
            logger.info(
                "Channel %s: message %d sent (%s)",
                channel.name,
                notice.id,
                notice.kind,
                extra={"channel": channel.name},
            )
        return True


def _flagged(scan: ScanRow) -> Iterator[dict[str, Any]]:
    """Findings of a scan, from its records on disk; none when they are gone."""
    try:
        with (Path(scan.folder) / RECORDS).open(encoding="utf-8") as lines:
            for line in lines:
                found = json.loads(line)
                flagged = found.get("verdict") in ("leak", "review")
                if flagged and found.get("type") == "image" and not found.get("suppressed"):
                    yield found
    except (OSError, ValueError) as error:
        logger.warning("Records of scan %d cannot be read: %s", scan.id, type(error).__name__)


def _finding_key(found: Mapping[str, Any]) -> str:
    """The same picture under the same attributor is one finding, wherever it lies."""
    return f"finding:{found['attributor']}:{found['sha256'] or found['key']}"


def _fit_key(row: Row) -> str:
    """A failure after another retry is another failure."""
    return f"fit:{row.id}:{row.updated}"


def _fit_facts(row: Row) -> dict[str, Any]:
    names = ("model", "version", "kind", "reason", "attempts")
    return {name: getattr(row, name) for name in names}


def _facts(scan: ScanRow) -> dict[str, Any]:
    names = "schedule started ended exit_code verdict scored leaks review reason folder"
    return {name: getattr(scan, name) for name in names.split()}
