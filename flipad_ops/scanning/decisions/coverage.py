"""What share of the listed images a scan has looked at, and which it passed by."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from flipad_ops.scanning.decisions.rules import log_choose

#: Of the images; where more were skipped a scan is incomplete, and never clean.
MOST_SKIPPED = 0.5
#: What skipped objects are, by the reason in their row; the first match counts.
KINDS = (
    ("", r"file is empty|No supported image format|Deleted since|row of a table"),
    ("for their size", r"\d+x\d+ pixels(, expected|, smaller|; the search)|channels cannot become"),
    ("over a limit", r"over the limit of"),
    ("for being archived", r"^Archived"),
    ("for their Content-Encoding", r"with the Content-Encoding"),
    ("damaged or of another kind", ""),
)


@dataclass(frozen=True)
class Coverage:
    """Objects by what became of them, whichever attributor it was.

    Parameters
    ----------
    scanned : int
        Scored by an attributor at least.
    failed : int
        Scored by none, and one could not read them.
    skipped : mapping of kind to int
        Images that every attributor skipped.
    no_images : int
        Objects that are no images at all; they count for nothing.
    """

    scanned: int = 0
    failed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    no_images: int = 0

    @classmethod
    def of(cls, scanned: int, failed: int, reasons: Iterable[tuple[str, int]]) -> Coverage:
        """From counts and the (reason, objects) of what was skipped."""
        skipped = {kind: 0 for kind, _ in KINDS}
        for reason, count in reasons:
            skipped[next(kind for kind, sign in KINDS if re.search(sign, reason))] += count
        none = skipped.pop("")
        return cls(scanned, failed, {kind: n for kind, n in skipped.items() if n}, none)

    @property
    def images(self) -> int:
        """All that were listed."""
        return self.scanned + self.failed + sum(self.skipped.values())

    @property
    def share_skipped(self) -> float:
        """Of the images; 0 where there are none."""
        return sum(self.skipped.values()) / max(1, self.images)

    def said(self, most: float, unit: str = "image") -> str:
        """ "1 of 61 images scanned; 60 skipped for their size", and what follows from that."""
        several = f"{unit}{'' if self.images == 1 else 's'}"
        parts = [f"{self.scanned} of {self.images} {several} scanned"]
        parts += [f"{count} skipped {kind}" for kind, count in self.skipped.items()]
        parts += [f"{self.failed} failed"] if self.failed else []
        told = "; ".join(parts)
        if self.share_skipped > most:
            told += f": over {100 * most:.3g}% were skipped, so the scan is incomplete"
        return told


def at_most(found: int, scanned: int, listed: int, confidence: float = 0.95) -> int:
    """Upper bound of how many of `listed` objects there are of a kind, by a random sample.

    The largest number with which a sample of `scanned` would show `found` or fewer with a
    probability above 1 - `confidence` (the exact hypergeometric bound; drawn without replacement).

    Parameters
    ----------
    found, scanned, listed : int
        0 <= found <= scanned <= listed.
    """
    low, high = found, listed - (scanned - found)
    while low < high:  # the probability falls as the number grows
        middle = (low + high + 1) // 2
        if _hypergeometric(found, middle, scanned, listed) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def _hypergeometric(found: int, kind: int, scanned: int, listed: int) -> float:
    """P(at most `found` of `kind` among `scanned` of `listed`)."""
    some = np.arange(max(0, scanned - (listed - kind)), min(found, kind) + 1)
    ways = log_choose(kind, some) + log_choose(listed - kind, scanned - some)
    return float(np.exp(ways - log_choose(listed, np.array(scanned))).sum())


def beyond_sample(found: int, scanned: int, listed: int) -> str:
    """What `found` attributed of `scanned` say of all `listed` objects, in a sentence."""
    scanned = min(scanned, listed)
    most = at_most(min(found, scanned), scanned, listed)
    return (
        f"{found} of a sample of {scanned} are attributed: of all {listed} objects at most {most} "
        f"would be ({100 * most / listed:.2g}%, with 95% confidence)"
    )
