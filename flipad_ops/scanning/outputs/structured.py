"""JSON, JSON lines and CSV."""

from __future__ import annotations

import csv
import json
from dataclasses import fields
from typing import Any, TextIO

from flipad_ops.scanning.outcome import ScanOutcome
from flipad_ops.scanning.records import Row
from flipad_ops.scanning.summary import summarise

COLUMNS = [field.name for field in fields(Row)] + ["q", "verdict", "why", "suppressed"]


def rows(outcome: ScanOutcome) -> list[dict[str, Any]]:
    """Every row as a dict: findings first, then what was not scored."""
    return [finding.to_dict() for finding in outcome.findings] + [
        row.to_dict() for row in (*outcome.skipped, *outcome.failed)
    ]


def write_jsonl(outcome: ScanOutcome, stream: TextIO) -> None:
    """One object per row with `"type": "image"`, then one `"type": "summary"`."""
    for row in rows(outcome):
        stream.write(json.dumps({"type": "image", **row}, allow_nan=False) + "\n")
    stream.write(json.dumps({"type": "summary", **summarise(outcome)}, allow_nan=False) + "\n")


def write_json(outcome: ScanOutcome, stream: TextIO) -> None:
    """One document: summary and rows."""
    document = {"summary": summarise(outcome), "images": rows(outcome)}
    json.dump(document, stream, indent=2, allow_nan=False)
    stream.write("\n")


def write_csv(outcome: ScanOutcome, stream: TextIO) -> None:
    """One line per row. Cells that a spreadsheet would run as a formula are quoted with '."""
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(outcome):
        writer.writerow({name: _inert(value) for name, value in row.items()})


def _inert(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value
