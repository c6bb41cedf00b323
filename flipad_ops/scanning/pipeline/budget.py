"""A bound on what is under way."""

from __future__ import annotations

import threading


class Budget:
    """Waits until so many bytes, or whatever it counts, are free; served in the order of asking.

    Parameters
    ----------
    capacity : int
        An amount above it is granted alone.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity, self._held, self._unbound = capacity, 0, False
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    def take(self, amount: int) -> int:
        """Wait for `amount`; returns what to give back."""
        amount = min(amount, self.capacity)
        # Holding the turn while waiting keeps a large object from being overtaken for ever.
        with self._turn, self._changed:
            while not self._unbound and self._held + amount > self.capacity:
                self._changed.wait()
            self._held += amount
        return amount

    def give(self, amount: int) -> None:
        """Return what `take` granted."""
        with self._changed:
            self._held -= amount
            self._changed.notify_all()

    def open(self) -> None:
        """Let everyone through: the pipeline is closing."""
        with self._changed:
            self._unbound = True
            self._changed.notify_all()
