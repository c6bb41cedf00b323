"""What a scan needs of a ledger: what became of every object, in this scan and in earlier ones.

A row belongs to one target, key and attributor and is replaced when the object's ETag changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import StateError
from flipad_ops.scanning.decisions.groups import PrefixTest
from flipad_ops.scanning.decisions.over_time import Batch
from flipad_ops.scanning.decisions.records import Row


class Scored(NamedTuple):
    """What an attributor said of some bytes; fields as in `Row`."""

    score: float
    p: float
    attributed: bool
    converged: bool
    reason: str
    testimony: Testimony | None = None


class Known(Protocol):
    """What earlier runs know; read in another thread than the ledger's."""

    def unchanged(self, target: str, etags: Mapping[str, str]) -> set[str]:
        """Keys that each attributor scored or skipped at this ETag; failed ones are tried again."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Batches(Protocol):
    """What the scans of a ledger have tested, so that their levels can share a year."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def history(self) -> list[Batch]:
        """All batches, in their order."""
        ...

    def untested(self, attributor: str) -> Iterator[tuple[str, float]]:
        """(content, p) of this run's contents that no batch has tested, in no order.

        A content is its SHA-256; of copies the largest p counts.
        """
        ...

    def decision(self, attributor: str, sha256: str, key: str) -> tuple[int, float] | None:
        """The batch that has tested a row's content and its q; None if none has."""
        ...

    def called(self) -> list[tuple[str, PrefixTest]]:
        """(attributor, test) of the groups that batches have called, in their order."""
        ...

    def record(
        self,
        batch: Batch,
        tested: Iterable[tuple[str, str, float]],
        called: Sequence[tuple[str, PrefixTest]],
    ) -> None:
        """Keep a batch for good, in one transaction: its (attributor, content, q) and groups."""
        ...


class Ledger(Protocol):
    """Rows of this scan and of earlier ones over the same targets."""

    #: Why rows of this run may be lost to later ones; empty when all is well.
    trouble: str

    @property
    def batches(self) -> Batches | None:
        """What its scans have tested; None where scans may run at once, each for itself."""
        ...

    def begin(self, fingerprint: Mapping[str, Any]) -> None:
        """Start a run; the ledger must have been made for the same filters.

        Attributors may be others than before: rows of each are kept apart. One of the same name
        and version must have the same files.

        Raises
        ------
        StateError
            It was not, or the place holds none of ours or one of a later format.
        """
        ...

    def finish(self, complete: bool) -> None:
        """Close the run."""
        ...

    def add(self, row: Row, position: int) -> None:
        """Put a row, replacing what was known of the object."""
        ...

    def keep(self, target: str, kept: Sequence[tuple[str, int]]) -> int:
        """Take rows of earlier runs into this one; (key, position) pairs.

        Returns
        -------
        int
            How many of the rows are attributed.
        """
        ...

    def by_content(self, attributor: str, sha256: str) -> Scored | None:
        """What was said of the same bytes under any key."""
        ...

    def commit(self, every: float = 0.0) -> None:
        """Make rows durable, if the last time is more than `every` seconds ago."""
        ...

    def settle(self) -> None:
        """Make all rows durable: the scan ends, well or not."""
        ...

    def rows(
        self, outcome: str, attributor: str | None = None, *, suspects: bool = False
    ) -> Iterator[Row]:
        """Rows of this run in listing order; with `suspects` only attributed ones."""
        ...

    def stating(self) -> Iterator[Row]:
        """Rows of this run, whatever came of them, whose files say something of their making, in
        listing order."""
        ...

    def counts(self) -> dict[str, int]:
        """Rows of this run by outcome; `unconverged`: scores from unfinished inversions."""
        ...

    def objects(self) -> tuple[int, int, list[tuple[str, int]]]:
        """Objects of this run that an attributor scored; that none scored and one failed on; and
        how many of the others for each reason."""
        ...

    def evidence(self, attributor: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """p-values (m,) and attributed (m,) of this run's scored rows, in no order."""
        ...

    def contents(self, attributor: str) -> Iterator[tuple[str, float]]:
        """(SHA-256, p) of each content that this run's scored rows have, in no order.

        Rows without a hash are contents of their own; of copies the largest p counts.
        """
        ...

    def judged(self, attributor: str, cut: float) -> Iterator[tuple[str, str, bool, bool]]:
        """(key, SHA-256, attributed, attributed with p <= cut) of this run's scored rows.

        Copies, that is rows of one hash, stand side by side.
        """
        ...

    def reader(self) -> Known | None:
        """Lookups for another thread; None when there can be no earlier rows."""
        ...


def refuse_other(before: Mapping[str, Any], now: Mapping[str, Any], where: str) -> None:
    """Raise StateError when a ledger was made for another fingerprint.

    "models" maps attributors to the hash of their files: those named in both must agree.
    """
    now = json.loads(json.dumps(now))
    models, earlier = now.get("models", {}), before.get("models", {})
    other = sorted(name for name in models if earlier.get(name, models[name]) != models[name])
    if other:
        raise StateError(
            f"{where} holds scores of {other[0]} with other files: begin a new ledger."
        )
    keys = {*before, *now} - {"models"}
    changed = sorted(k for k in keys if before.get(k) != now.get(k))
    if changed:
        raise StateError(
            f"{where} was made with another choice of {', '.join(changed)}: scan with the "
            "same one, or begin a new ledger."
        )
