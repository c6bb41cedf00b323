"""What two scans of a schedule found: new, gone and known in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from registry_hooks.scan_run import read_findings
from registry_hooks.schedules import RECORDS
from registry_hooks.schema import Scan

#: Findings of one scan that are compared, and those of a kind that are listed.
COMPARED, LISTED = 100_000, 200
Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Findings by what became of them: how many, and the first of each kind."""

    new: list[Finding]
    gone: list[Finding]
    known: list[Finding]

    def parts(self) -> list[tuple[str, int, list[Finding]]]:
        """(kind, how many, those to list)."""
        kinds = (("new", self.new), ("gone", self.gone), ("known", self.known))
        return [(kind, len(found), found[:LISTED]) for kind, found in kinds]


def compare(now: Scan, before: Scan | None) -> Comparison | None:
    """The findings of a scan beside those of an earlier one, if there is one.

    A picture under an attributor is the same finding wherever it lies, as for messages.

    Returns
    -------
    Comparison or None
        None where the records of either are not here any more.
    """
    today, then = _findings(now), {} if before is None else _findings(before)
    if today is None or then is None:
        return None
    return Comparison(
        new=[found for key, found in today.items() if key not in then],
        gone=[found for key, found in then.items() if key not in today],
        known=[found for key, found in today.items() if key in then],
    )


def _findings(scan: Scan) -> dict[tuple[str, str], Finding] | None:
    folder = Path(str(scan.folder))
    if not (folder / RECORDS).is_file():
        return None
    found = islice(read_findings(folder), COMPARED)
    return {(str(f["attributor"]), str(f["sha256"] or f["key"])): f for f in found}
