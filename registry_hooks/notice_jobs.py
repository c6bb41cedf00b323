"""Messages in the queue until they are sent, and the memory of what was told."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from registry_hooks.channels import Channel
from registry_hooks.database import insert_into
from registry_hooks.jobs import Backoff, JobQueue
from registry_hooks.messages import NAMED
from registry_hooks.schema import DONE, Notice, Told

#: Nothing longer may hold a message that a killed process was about to send.
_HOLD = 120.0
HOUR = 3600.0
#: What no scan and no failure has named for so long may be told again.
KEEP_TOLD = 400 * 86_400.0


class NoticeQueue(JobQueue[Notice]):
    """At least once: a process killed between sending and noting it sends again, same id."""

    job = Notice
    #: For reading; what was told is kept longer.
    KEEP = 30 * 86_400.0

    def __init__(self, sessions: sessionmaker[Session], clock: Callable[[], float]) -> None:
        super().__init__(sessions, _HOLD, Backoff(attempts=8, first=20.0), clock)

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
        with self.sessions.begin() as session:
            named = [item for key, item in items if self._remember(session, channel, key)]
            if named:
                told = {"event": event, **payload, "new": len(named), listed: named[:NAMED]}
                key = f"flipad-{uuid.uuid4().hex}"
                self._insert(session, [self._row(channel, key, event=event, payload=told)])
            return len(named)

    def take(self, channel: Channel, owner: str) -> Notice | None:
        """A message to send now, if one is due and the channel's hour is not full."""
        sent = select(func.count()).where(
            Notice.queue == channel.name, Notice.state == DONE, Notice.ended > self.clock() - HOUR
        )
        with self.reads() as session:
            if (session.scalar(sent) or 0) >= channel.per_hour:
                return None
        return self.claim(owner, channel.name)

    def _remember(self, session: Session, channel: str, key: str) -> bool:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        insert = insert_into(session, Told).values(channel=channel, key=digest, at=self.clock())
        new = insert.on_conflict_do_nothing().returning(Told.id)
        if session.execute(new).first() is not None:
            return True
        # Seen again, so not to be forgotten yet; written once in a while only.
        seen = update(Told).where(Told.channel == channel, Told.key == digest)
        now = self.clock()
        session.execute(seen.where(Told.at < now - self.KEEP).values(at=now))
        return False

    def _purge(self, session: Session) -> None:
        super()._purge(session)
        session.execute(delete(Told).where(Told.at < self.clock() - KEEP_TOLD))
