"""The rows of a scan: one per object and attributor, whatever came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.provenance import NOTHING, Stated

#: Of a saved scan (jsonl); raised when older code would read a file wrongly. In format 1 every
#: attributor was decided alone, over all its rows; format 3 has batches of a ledger, and is written
#: for scans that have them.
SAVED_FORMAT = 3
WITHOUT_BATCHES = 2

Outcome = Literal["scored", "skipped", "failed"]
Verdict = Literal["leak", "review", "clear"]


@dataclass(frozen=True)
class Row:
    """What happened to one object.

    Parameters
    ----------
    key : str
        Object key or path below the target, as listed; never trusted.
    target : str
        The target it was listed from.
    size : int
        Encoded bytes.
    outcome : {"scored", "skipped", "failed"}
        Skipped: not an image this attributor takes (stated reason). Failed: should have been
        read and could not be.
    reason : str
        One sentence when not scored; of a scored one, what its score rests on if not the usual.
    sha256 : str
        Of the encoded bytes, once read.
    attributor : str
        "name/version" of the attributor asked.
    score, p : float or None
    attributed, converged : bool or None
    testimony : Testimony or None
        What the second witness says, where it was asked.
    stated : Stated
        What the file says of its own making.
    """

    key: str
    target: str
    size: int
    outcome: Outcome
    attributor: str
    reason: str = ""
    sha256: str = ""
    etag: str = ""
    score: float | None = None
    p: float | None = None
    attributed: bool | None = None
    converged: bool | None = None
    testimony: Testimony | None = None
    stated: Stated = NOTHING

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `testimony` and `stated` are left out where there is none."""
        fields = dict(vars(self))
        del fields["testimony"], fields["stated"]
        if self.stated:
            fields["stated"] = self.stated.to_dict()
        if self.testimony is not None:
            fields["testimony"] = self.testimony.to_dict()
        return fields


def replace_row(row: Row, **changes: object) -> Row:
    """A copy of `row` with some fields changed."""
    return Row(**{**vars(row), **changes})


@dataclass(frozen=True)
class Finding:
    """A scored row with its decision.

    Parameters
    ----------
    row : Row
    q : float
        Benjamini-Hochberg adjusted p over the scan.
    verdict : {"leak", "review", "clear"}
    why : str
        Why a row is for review instead of a leak, which witnesses spoke, and what its score rests
        on if not the usual; of a clear one, who accepts it although it is not attributed.
    suppressed : str
        Why it does not count although flagged: in the baseline, or allowed; empty otherwise.
    batch : int
        Of a ledger whose scans share a yearly level, the one that decided; else 0.
    """

    row: Row
    q: float
    verdict: Verdict
    why: str = ""
    suppressed: str = ""
    batch: int = 0

    @property
    def accepted(self) -> bool:
        """For review, and both witnesses accept it: significant or not, it is not passed by."""
        said = self.row.testimony
        return self.verdict == "review" and said is not None and said.witnesses == "both"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        decision = {"q": self.q, "verdict": self.verdict, "why": self.why}
        batch = {"batch": self.batch} if self.batch else {}
        return {**self.row.to_dict(), **decision, "suppressed": self.suppressed, **batch}
