"""The listing of a scan on Ray, in a thread of its own."""

from __future__ import annotations

import queue
import threading

from flipad_ops.common.errors import FlipadError, TargetError
from flipad_ops.scanning.ledger.lookup import Listed, looked_up
from flipad_ops.scanning.pipeline.work import Task


class Listing(threading.Thread):
    """Lists and looks up beside the driver, a few hundred objects ahead."""

    def __init__(self, task: Task) -> None:
        super().__init__(daemon=True)
        self.error: FlipadError | None = None
        self.ended = False
        self.closing = threading.Event()
        self._crash: BaseException | None = None
        self._parts: queue.Queue[Listed | None] = queue.Queue(4)
        request = task.request
        self._source = looked_up(request.pick(), task.ledger.reader())

    def run(self) -> None:
        """Until the end of the listing, or of the scan."""
        try:
            for part in self._source:
                if not self._put(part):
                    return
        except TargetError as error:
            self.error = error
        except BaseException as error:
            self._crash = error
        finally:
            self._source.close()
        self._put(None)

    def take(self, wait: bool) -> Listed | None:
        """The next part, or None when there is none yet or any more."""
        if self.ended:
            return None
        try:
            part = self._parts.get(timeout=0.1) if wait else self._parts.get_nowait()
        except queue.Empty:
            return None
        if self._crash is not None:
            raise self._crash
        self.ended = part is None
        return part

    def _put(self, part: Listed | None) -> bool:
        while not self.closing.is_set():
            try:
                self._parts.put(part, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False
