"""The workers of a scan: hired, given calls, replaced when they die.

A worker reads and scores at the same time, one call of each kind; a second one of each waits, so
that it need not. Of a worker that died only the calls it had begun are suspect. Such a call is
repeated by a worker that has nothing else to do; when that one dies too, the call is cut into
parts, each alone with a worker, down to the single object, which then fails instead of the scan.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flipad_ops.common.errors import EngineError, first_line
from flipad_ops.scanning.ray.calls import Call

#: Calls of one kind that a worker may have.
DEPTH = 2
#: Deaths over a call as a whole before it is cut.
ATTEMPTS = 2
#: Seconds without any worker before the scan gives up.
PATIENCE = 300.0
METHODS = ("score", "read")


@dataclass(eq=False)
class Member:
    """One worker; `running` is what it was given, oldest first."""

    actor: Any
    starting: Any
    ready: bool = False
    alone: bool = False
    running: list[tuple[Any, Call]] = field(default_factory=list)

    def count(self, method: str) -> int:
        """Calls of a kind that it has."""
        return sum(call.method == method for _, call in self.running)


class Crew:
    """Runs calls on workers.

    Parameters
    ----------
    ray : module
    hire : callable
        Makes an actor.
    size : int
        Workers wanted.
    gone : callable
        Told of a call whose input was lost with a machine.
    """

    def __init__(
        self, ray: Any, hire: Callable[[], Any], size: int, gone: Callable[[Call], None]
    ) -> None:
        self.ray, self.hire, self.size, self.gone = ray, hire, size, gone
        self.members: list[Member] = []
        self.waiting: dict[str, deque[Call]] = {method: deque() for method in METHODS}
        self.suspects: deque[Call] = deque()
        self._idle_deaths, self._since = 0, time.monotonic()

    @property
    def idle(self) -> bool:
        """Nothing to do."""
        return self._calls() == 0

    def room(self, method: str) -> bool:
        """Whether more calls of a kind would keep the workers busier."""
        return len(self.waiting[method]) < self.size

    def submit(self, call: Call, first: bool = False) -> None:
        """Queue a call."""
        queue = self.waiting[call.method]
        (queue.appendleft if first else queue.append)(call)

    def step(self, seconds: float) -> None:
        """Hand out calls and take results, waiting at most so long for one.

        Raises
        ------
        EngineError
            Workers cannot be started or do not stay.
        """
        if not self.members:
            self._since = time.monotonic()
        while len(self.members) < min(self.size, self._calls()):
            actor = self.hire()
            self.members.append(Member(actor, actor.start.remote()))
        self._assign()
        references = {
            ref: (member, call) for member in self.members for ref, call in member.running
        }
        starts = {member.starting: member for member in self.members if not member.ready}
        everything = [*references, *starts]
        for reference in self._ready(everything, seconds):
            if reference in starts:
                self._started(starts[reference])
            else:
                self._ended(*references[reference], reference)
        self._be_patient()

    def close(self) -> None:
        """End all workers."""
        with suppress(self.ray.exceptions.RayError):
            for member in self.members:
                self.ray.kill(member.actor)
        self.members.clear()

    def _ready(self, references: list[Any], seconds: float) -> list[Any]:
        try:
            ready, _ = self.ray.wait(references, num_returns=1, timeout=seconds)
            if ready:
                ready, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
        except self.ray.exceptions.RayError as error:
            raise EngineError(f"The Ray cluster is gone: {first_line(error)}") from error
        return list(ready)

    def _calls(self) -> int:
        waiting = sum(len(queue) for queue in self.waiting.values())
        return waiting + len(self.suspects) + sum(len(m.running) for m in self.members)

    def _assign(self) -> None:
        ready = [member for member in self.members if member.ready and not member.alone]
        for member in ready:
            if self.suspects and not member.running:
                member.alone = True
                self._give(member, self.suspects.popleft())
        if self.suspects:
            return  # until a worker has run dry
        for method in METHODS:
            while self.waiting[method]:
                free = [member for member in ready if not member.alone]
                counts = [member.count(method) for member in free]
                if min(counts, default=DEPTH) >= DEPTH:
                    break
                self._give(free[counts.index(min(counts))], self.waiting[method].popleft())

    @staticmethod
    def _give(member: Member, call: Call) -> None:
        member.running.append((call.send(member.actor), call))

    def _started(self, member: Member) -> None:
        try:
            self.ray.get(member.starting)
            member.ready = True
        except self.ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception):
                raise cause from error
            self._bury(member, error)

    def _ended(self, member: Member, call: Call, reference: Any) -> None:
        if member not in self.members:
            return  # died, and was taken care of
        errors = self.ray.exceptions
        try:
            value = self.ray.get(reference)
        except errors.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(error, errors.ObjectLostError) or isinstance(
                cause, errors.ObjectLostError
            ):
                self._drop(member, call)
                self.gone(call)
            elif isinstance(error, errors.RayTaskError):
                raise (
                    cause if isinstance(cause, Exception) else EngineError(first_line(error))
                ) from error
            else:
                self._bury(member, error)
            return
        self._drop(member, call)
        call.done(value)

    def _drop(self, member: Member, call: Call) -> None:
        member.running = [pair for pair in member.running if pair[1] is not call]
        member.alone = member.alone and bool(member.running)
        self._idle_deaths = 0

    def _bury(self, member: Member, error: Exception) -> None:
        """Take a dead worker's calls back, and the results it had still given."""
        self.members.remove(member)
        self.ray.kill(member.actor)
        begun: set[str] = set()
        again: list[Call] = []
        for reference, call in member.running:
            try:
                value = self.ray.get(reference, timeout=5)
            except self.ray.exceptions.RayError:
                if call.method in begun:
                    again.append(call)
                else:
                    begun.add(call.method)
                    self._suspect(call)
            else:
                call.done(value)
        for call in reversed(again):
            self.submit(call, first=True)
        if not begun:
            self._idle_deaths += 1
            if self._idle_deaths > self.size:
                raise EngineError(f"Ray's workers die before they do anything: {first_line(error)}")

    def _suspect(self, call: Call) -> None:
        call.deaths += 1
        if call.deaths < ATTEMPTS:
            self.suspects.append(call)
            return
        parts = call.split()
        if not parts:
            call.fail()
        for part in parts:
            part.deaths = ATTEMPTS - 1
            self.suspects.append(part)

    def _be_patient(self) -> None:
        now = time.monotonic()
        if any(member.ready for member in self.members):
            self._since = now
        elif now - self._since > PATIENCE:
            raise EngineError(
                f"No Ray worker could be started in {PATIENCE:g} s: the cluster is busy, or too "
                "small for one."
            )
