"""Deliveries that arrive while a transaction runs share the next one.

A transaction costs far more than a row. Each delivery is still answered only after the commit
that holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool

Delivery = tuple[str, list[tuple[str, int]]]
#: More would make a transaction long, and exceed SQLite's variables in old builds.
MOST = 500


class Intake:
    """Of one event loop.

    Parameters
    ----------
    store : callable
        Writes deliveries in one transaction and tells which were new.
    """

    def __init__(self, store: Callable[[Sequence[Delivery]], list[bool]]) -> None:
        self._store = store
        self._waiting: list[tuple[Delivery, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def put(self, delivery_id: str, versions: list[tuple[str, int]]) -> bool:
        """Whether it was new, once it is committed.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            Nothing of its transaction was written.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(((delivery_id, versions), future))
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        return bool(await future)

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    new = await run_in_threadpool(self._store, [each for each, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.cancelled():
                            future.set_exception(error)
                else:
                    for (_, future), each in zip(batch, new, strict=True):
                        if not future.cancelled():
                            future.set_result(each)
        finally:
            self._task = None
