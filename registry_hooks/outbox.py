"""Messages in the database until they are sent, and the memory of what was told."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks.channels import Channel
from registry_hooks.messages import NAMED
from registry_hooks.records import DONE, FAILED, QUEUED, Notice, ScanRow, Told
from registry_hooks.table import Backoff

#: Nothing longer may hold a message that a killed process was about to send.
_HOLD = 120.0
HOUR = 3600.0
#: Sent messages are kept for reading; what was told is kept for ever.
KEEP_SENT = 30 * 86_400.0
_RETRY = Backoff(attempts=8, first=20.0)


class Outbox:
    """At least once: a process killed between sending and noting it sends again, same id."""

    def __init__(
        self, sessions: sessionmaker[Session], clock: Callable[[], float] = time.time
    ) -> None:
        self._sessions, self.clock = sessions, clock

    def put(
        self,
        channel: str,
        event: str,
        items: Iterable[tuple[str, dict[str, Any]]],
        payload: dict[str, Any],
        listed: str = "findings",
    ) -> int:
        """Queue one message about those items that the channel was not told of.

        Parameters
        ----------
        items : iterable of (key, fields)
            What makes an item the same item, and what the message says of it.

        Returns
        -------
        int
            New items; 0 writes no message.
        """
        now, new = self.clock(), 0
        named: list[dict[str, Any]] = []
        with self._sessions.begin() as session:
            for key, fields in items:
                digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
                if self._remember(session, channel, digest, now):
                    new += 1
                    named += [fields] if len(named) < NAMED else []
            if new:
                text = json.dumps({"event": event, **payload, "new": new, listed: named})
                session.add(Notice(channel=channel, kind=event, due=now, created=now, payload=text))
            return new

    def told(self, scan: ScanRow) -> None:
        """Nobody needs to look at this scan again."""
        with self._sessions.begin() as session:
            session.execute(update(ScanRow).where(ScanRow.id == scan.id).values(told=True))

    def take(self, channel: Channel) -> tuple[Notice, dict[str, Any]] | None:
        """A message to send now, if one is due and the channel's hour is not full."""
        now = self.clock()
        with self._sessions.begin() as session:
            sent = session.scalar(
                select(func.count()).where(Notice.channel == channel.name, Notice.sent > now - HOUR)
            )
            if (sent or 0) >= channel.per_hour:
                return None
            notice = session.scalars(
                select(Notice)
                .where(Notice.channel == channel.name, Notice.state == QUEUED, Notice.due <= now)
                .order_by(Notice.due, Notice.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if notice is None:
                return None
            notice.attempts += 1
            notice.due = now + _HOLD
            return notice, json.loads(notice.payload)

    def sent(self, notice: Notice) -> None:
        """It arrived."""
        self._write(notice, {"state": DONE, "sent": self.clock(), "reason": None})

    def failed(self, notice: Notice, reason: str) -> str:
        """Another try later, or none; the new state."""
        state = FAILED if notice.attempts >= _RETRY.attempts else QUEUED
        due = self.clock() + _RETRY.delay(notice.attempts, 0.5)
        self._write(notice, {"state": state, "due": due, "reason": reason})
        return state

    def notices(self, limit: int = 50) -> list[Notice]:
        """The last messages, newest first."""
        with self._sessions() as session:
            return list(session.scalars(select(Notice).order_by(Notice.id.desc()).limit(limit)))

    def tidy(self) -> None:
        """Forget old messages that were sent."""
        old = and_(Notice.state == DONE, Notice.sent < self.clock() - KEEP_SENT)
        with self._sessions.begin() as session:
            session.execute(delete(Notice).where(old))

    def untold_scans(self) -> list[ScanRow]:
        """Scans that ended and that nobody has looked at."""
        with self._sessions() as session:
            ended = and_(ScanRow.ended.is_not(None), ScanRow.told.is_(False))
            return list(session.scalars(select(ScanRow).where(ended).order_by(ScanRow.id)))

    def _remember(self, session: Session, channel: str, digest: str, now: float) -> bool:
        engine = session.get_bind()
        postgres = engine.dialect.name == "postgresql"
        insert: Any = postgresql.insert(Told) if postgres else sqlite.insert(Told)
        values = {"channel": channel, "key": digest, "at": now}
        new = insert.values(**values).on_conflict_do_nothing().returning(Told.id)
        return session.execute(new).first() is not None

    def _write(self, notice: Notice, values: dict[str, Any]) -> None:
        with self._sessions.begin() as session:
            session.execute(update(Notice).where(Notice.id == notice.id).values(**values))
