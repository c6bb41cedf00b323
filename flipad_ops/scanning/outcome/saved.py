"""A saved jsonl of a scan, opened again as an outcome; rows are read anew on every pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import RecordAltered, UsageError
from flipad_ops.common.untrusted_json import parse
from flipad_ops.provenance import Stated
from flipad_ops.scanning.decisions.coverage import Coverage
from flipad_ops.scanning.decisions.groups import PrefixTest
from flipad_ops.scanning.decisions.over_time import OverTime
from flipad_ops.scanning.decisions.records import SAVED_FORMAT, Finding, Row
from flipad_ops.scanning.outcome.cards import card_from_dict
from flipad_ops.scanning.outcome.row_stream import Stream
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import AS_CONFIGURED, S3Access, open_target
from flipad_ops.storage.selection import Selection

_T = TypeVar("_T")
_ROW_FIELDS = [f.name for f in fields(Row) if f.name not in ("testimony", "stated")]


def load_outcome(path: Path, access: S3Access = AS_CONFIGURED) -> ScanOutcome:
    """The outcome that `write_jsonl` wrote; `access` is for whoever reads its targets again.

    Raises
    ------
    UsageError
        Not a file of ours, of a later format, or cut short.
    """
    try:
        return _load(path, access)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{path} is not the jsonl of a scan by this version.") from error


def _load(path: Path, access: S3Access) -> ScanOutcome:
    cards, summary = {}, dict[str, Any]()
    counts, tests = {"scored": 0, "skipped": 0, "failed": 0}, Counter[str]()
    for record in _records(path):
        kind = record.get("type")
        if kind == "image":
            counts[record["outcome"]] += 1
            tests[record.get("attributor", "")] += record["outcome"] == "scored"
        elif kind == "attributor":
            cards[record["name"]] = card_from_dict(record["card"])
        elif kind == "summary":
            summary = record
    if not summary:
        raise UsageError(f"{path} has no summary line: it is no scan's jsonl, or was cut short.")
    chosen: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in summary["selection"].items()
    }
    return ScanOutcome(
        request=ScanPlan(
            targets=[open_target(uri, access) for uri in summary["targets"]],
            fdr=summary["fdr"],
            max_errors=summary["max_errors"],
            # Scans of before were complete whatever they skipped.
            max_skipped=summary.get("max_skipped", 1.0),
            size_rule=summary.get("size_rule", "reject"),
            selection=Selection(**chosen),
            group=summary.get("group", ""),
        ),
        findings=Stream(lambda: saved_findings(path), counts["scored"]),
        skipped=Stream(lambda: _made(_row, path, "skipped"), counts["skipped"]),
        failed=Stream(lambda: _made(_row, path, "failed"), counts["failed"]),
        cards=cards,
        prefixes={
            name: [PrefixTest(**test) for test in tests]
            for name, tests in summary["prefixes"].items()
        },
        floors={name: facts["p_floor"] for name, facts in summary["attributors"].items()},
        started=summary["started"],
        seconds=summary["seconds"],
        signal=summary["signal"],
        broken=summary["broken"],
        warnings=summary["warnings"],
        reused=summary["reused"],
        screened=summary.get("screened", 0),
        stages={
            name: (cost["images"], cost["seconds"])
            for name, cost in summary.get("stages", {}).items()
        },
        command=summary["command"],
        coverage=Coverage(**summary["coverage"]) if "coverage" in summary else None,
        tests=summary.get("tests", dict(tests)),
        scored=dict(tests),
        listed=summary.get("listed", 0),
        over_time=OverTime.from_dict(stored) if (stored := summary.get("over_time")) else None,
        saved_format=summary.get("format", 1),
        stating=lambda: _stating(path),
    )


def saved_findings(path: Path) -> Iterator[Finding]:
    """Only the findings of a saved scan; a UsageError where a line is not one of ours."""
    return _made(_finding, path, "scored")


def _stating(path: Path) -> list[Row]:
    """Rows whose files name a checkpoint; the file has those of one attributor together."""
    found = (r for r in _records(path) if "hashes" in (r.get("stated") or ()))
    return sorted(map(_row, found), key=lambda row: (row.target, row.key))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                record = parse(line)
                if not isinstance(record, dict):
                    raise ValueError("not an object")
                if record.get("type") == "summary":
                    _refuse_later(path, record.get("format", 1))
                yield record
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not the jsonl of a scan: {error}.") from error


def _refuse_later(path: Path, stored: object) -> None:
    """Files of before formats were stated are of format 1."""
    if not isinstance(stored, int) or stored > SAVED_FORMAT:
        raise UsageError(
            f"{path} has scan format {stored!r}, this version of flipad_ops reads {SAVED_FORMAT}: "
            "install the version that wrote it, or scan again."
        )


def _made(make: Callable[[dict[str, Any]], _T], path: Path, outcome: str) -> Iterator[_T]:
    for record in _records(path):
        if record.get("type") == "image" and record.get("outcome") == outcome:
            try:
                made = make(record)
            except (KeyError, TypeError) as error:
                raise UsageError(f"{path} is not the jsonl of a scan: no {error}.") from error
            except RecordAltered as error:
                raise UsageError(f"{path} is not the jsonl of a scan: {error}") from error
            yield made


def _row(record: dict[str, Any]) -> Row:
    said = record.get("testimony")
    testimony = None if said is None else Testimony.from_dict(said)
    stated = Stated.from_dict(record.get("stated", {}))
    plain = {name: record[name] for name in _ROW_FIELDS}
    return Row(**plain, testimony=testimony, stated=stated)


def _finding(record: dict[str, Any]) -> Finding:
    return Finding(
        _row(record),
        record["q"],
        record["verdict"],
        record["why"],
        record["suppressed"],
        record.get("batch", 0),
    )
