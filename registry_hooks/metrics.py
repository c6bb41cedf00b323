"""Counters of the receiver and states of the table, as Prometheus reads them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Deliveries:
    """Deliveries by outcome, counted from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter[str]()

    def count(self, outcome: str) -> None:
        """One more."""
        with self._lock:
            self._counts[outcome] += 1

    def counts(self) -> dict[str, int]:
        """By outcome."""
        with self._lock:
            return dict(self._counts)


def exposition(deliveries: Mapping[str, int], states: Mapping[str, int]) -> str:
    """The text format; labels are ours, so nothing needs escaping."""
    lines = [
        "# HELP flipad_deliveries_total Webhook deliveries by what became of them.",
        "# TYPE flipad_deliveries_total counter",
        *(
            f'flipad_deliveries_total{{outcome="{outcome}"}} {count}'
            for outcome, count in sorted(deliveries.items())
        ),
        "# HELP flipad_work Generator versions in the work table by state.",
        "# TYPE flipad_work gauge",
        *(f'flipad_work{{state="{state}"}} {count}' for state, count in states.items()),
    ]
    return "\n".join(lines) + "\n"
