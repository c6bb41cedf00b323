"""Findings that do not count: known from a baseline scan, or allowed with a reason and an end.

Both go by content and attributor, never by place: moving a file neither hides nor revives it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.outcome.saved import saved_findings

IGNORE_FILE = ".flipadignore.yaml"


@dataclass(frozen=True)
class Allowed:
    """One entry of the ignore file.

    Parameters
    ----------
    sha256 : str
        Of the encoded bytes.
    attributor : str
        Its name, or name/version for one version only.
    reason : str
    expires : date
        The last day on which it holds.
    """

    sha256: str
    attributor: str
    reason: str
    expires: date


@dataclass(eq=False)
class Suppressions:
    """Asked for every attributed content; remembers which entries were of use."""

    allowed: Sequence[Allowed] = ()
    baseline: frozenset[tuple[str, str]] = frozenset()
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    used: set[Allowed] = field(default_factory=set)

    def __call__(self, row: Row) -> str:
        """Why the row's content does not count, or ""."""
        name, why = row.attributor.rpartition("/")[0], ""
        for entry in self.allowed:
            if entry.sha256 == row.sha256 and entry.attributor in (name, row.attributor):
                self.used.add(entry)
                if entry.expires >= self.today:
                    why = why or f"allowed until {entry.expires}: {entry.reason}"
        if why:
            return why
        return "known from the baseline" if (row.sha256, name) in self.baseline else ""

    def warnings(self) -> list[str]:
        """Sentences about entries that expired or match nothing; ask after the scan."""
        texts = []
        for entry in self.allowed:
            about = f"{IGNORE_FILE}: the entry for {entry.sha256[:12]} ({entry.attributor})"
            if entry.expires < self.today:
                texts.append(f"{about} expired on {entry.expires}.")
            elif entry not in self.used:
                texts.append(f"{about} matches no finding.")
        return texts


def load_suppressions(ignore_file: Path | None, baseline: Path | None) -> Suppressions:
    """From the files named, or from `.flipadignore.yaml` in the working folder if there is one.

    Raises
    ------
    UsageError
    """
    place = ignore_file or Path(IGNORE_FILE)
    named = ignore_file is not None or place.is_file()
    return Suppressions(
        allowed=read_ignore_file(place) if named else [],
        baseline=read_baseline(baseline) if baseline else frozenset(),
    )


def read_baseline(path: Path) -> frozenset[tuple[str, str]]:
    """(content hash, attributor name) of every flagged finding of a saved scan.

    Raises
    ------
    UsageError
    """
    return frozenset(
        (f.row.sha256, f.row.attributor.rpartition("/")[0])
        for f in saved_findings(path)
        if f.verdict != "clear"
    )


def read_ignore_file(path: Path) -> list[Allowed]:
    """Entries of an ignore file, which is a YAML list.

    Raises
    ------
    UsageError
        Unreadable, or an entry lacks a field.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"Cannot read {path}: {' '.join(str(error).split())}.") from error
    if not isinstance(entries, list):
        raise UsageError(f"{path} must hold a list of entries.")
    return [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]


def _entry(path: Path, number: int, entry: Any) -> Allowed:
    needed = {"sha256", "attributor", "reason", "expires"}
    if not isinstance(entry, dict) or set(entry) != needed:
        raise UsageError(
            f"{path}: entry {number} must have exactly the fields {', '.join(sorted(needed))}."
        )
    expires = entry["expires"]
    if isinstance(expires, datetime) or not isinstance(expires, date):
        raise UsageError(f"{path}: entry {number} needs a date such as 2027-01-31 as `expires`.")
    sha256, reason = str(entry["sha256"]).lower(), str(entry["reason"] or "").strip()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UsageError(f"{path}: entry {number} needs a SHA-256 of 64 hex digits.")
    if not reason:
        raise UsageError(f"{path}: entry {number} needs a reason.")
    return Allowed(sha256, str(entry["attributor"]), reason, expires)
