"""What a scan is asked to do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from flipad_ops.common.errors import NothingToScan, UsageError
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.scanning.decisions.coverage import MOST_SKIPPED
from flipad_ops.scanning.decisions.groups import grouping
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.storage.selection import Picked, Selection
from flipad_ops.storage.target import Target

#: Why an attributed row does not count, or ""; asked once of a content, whose copies share it.
Suppress = Callable[[Row], str]


@dataclass(frozen=True)
class ScanPlan:
    """What to scan and how to decide, with its targets opened.

    Parameters
    ----------
    targets : sequence of Target
    fdr : float
        False discovery rate over the scan, all attributors together.
    batch_size : int
    size_rule : {"reject", "centre-crop", "resize", "search"}
    limits : DecodeLimits
    max_errors : int
        More failed objects than this make the scan incomplete.
    max_skipped : float
        More of the images skipped than this share make the scan incomplete.
    selection : Selection
        Which listed objects are read.
    workers : int or None
        Decoding processes; 0 decodes in this process, None takes one per core, at most 8.
    decode_seconds : float
        Time limit for decoding one image.
    suppress : callable
        Says of an attributed row why its content does not count, or "".
    group : str
        Regular expression over keys: what is tested together; "" for folders.
    yearly : float
        P(any false call in a year of scans without an own image), which the ledger's scans share;
        0 decides every scan by itself.
    listed : Counter
        "objects": those that passed the filters so far, of which `selection` draws a sample.
    """

    targets: Sequence[Target]
    fdr: float = 0.01
    batch_size: int = 64
    size_rule: SizeRule = "reject"
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    max_errors: int = 0
    max_skipped: float = MOST_SKIPPED
    selection: Selection = field(default_factory=Selection)
    workers: int | None = None
    decode_seconds: float = 20.0
    suppress: Suppress = lambda row: ""
    group: str = ""
    yearly: float = 0.0
    listed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        uris = [target.uri for target in self.targets]
        if len(set(uris)) < len(uris):
            raise UsageError("A target is named twice.")
        if self.batch_size < 1:
            raise UsageError("The batch size must be at least 1.")
        grouping(self.group)

    @property
    def processes(self) -> int:
        """Decoding processes to have at most; see `Pipeline`."""
        if self.workers is None:
            return min(8, len(os.sched_getaffinity(0)))
        return self.workers

    def pick(self) -> Iterator[Picked]:
        """The chosen objects in listing order. Raises what `Target.list` raises."""
        self.listed.clear()
        return self.selection.pick(self.targets, self.listed)

    def nothing(self) -> NothingToScan:
        """What to raise when nothing was chosen."""
        near = self.targets[0].near() if len(self.targets) == 1 else "."
        return NothingToScan(f"Nothing to scan in {', '.join(t.uri for t in self.targets)}{near}")

    def fingerprint(self, attributors: dict[str, str]) -> dict[str, Any]:
        """What a ledger's rows depend on; `attributors` maps name/version to file hash."""
        return {
            "targets": [target.uri for target in self.targets],
            "models": attributors,
            "filters": self.selection.describe(),
            "size rule": self.size_rule,
            "limits": vars(self.limits),
        }
