"""JSON, JSON lines and CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, TextIO

from flipad_ops.scanning.decisions.records import SAVED_FORMAT, WITHOUT_BATCHES, Row
from flipad_ops.scanning.outcome.cards import card_to_dict
from flipad_ops.scanning.outcome.corroboration import corroboration
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise
from flipad_ops.scanning.outputs import OutputFormat

#: Columns of flat formats.
COLUMNS = [
    *(field.name for field in fields(Row) if field.name not in ("testimony", "stated")),
    *("q", "verdict", "why", "suppressed"),
    *("witnesses", "alteration", "remade_ratio", "remade_psnr", "latent_sha256", "empirical_p"),
]


def rows(outcome: ScanOutcome) -> Iterator[dict[str, Any]]:
    """Every row as a dict: findings first, then what was not scored.

    `corroborates` says which registered generator's checkpoint the file names.
    """
    for finding in outcome.findings:
        yield finding.to_dict() | _names(finding.row, outcome)
    for collection in (outcome.skipped, outcome.failed):
        for row in collection:
            yield row.to_dict() | _names(row, outcome)


def _names(row: Row, outcome: ScanOutcome) -> dict[str, str]:
    words = corroboration(row.stated, outcome.cards)
    return {"corroborates": words} if words else {}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose testimony is spread over columns, as far as a table has use for it."""
    plain, said = dict(row), row.get("testimony")
    plain.pop("testimony", None)
    for name in ("batch", "stated", "corroborates"):
        plain.pop(name, None)
    if said is not None:
        plain |= {
            "witnesses": said["witnesses"],
            "alteration": said["words"],
            "remade_ratio": said["ratio"],
            "remade_psnr": said["psnr"],
            "latent_sha256": said["latent_sha256"],
            "empirical_p": said.get("empirical_p"),
        }
    return plain


def write_jsonl(outcome: ScanOutcome, stream: TextIO) -> None:
    """Objects of `"type"` "image" (one per row), "group" (called ones), "attributor", "summary".

    `flipadops report` needs no more than this file. The summary states its `format`.
    """
    for row in rows(outcome):
        stream.write(json.dumps({"type": "image", **row}, allow_nan=False) + "\n")
    for name, test in outcome.called:
        line = {"type": "group", "attributor": name, **vars(test)}
        stream.write(json.dumps(line, allow_nan=False) + "\n")
    for name, card in outcome.cards.items():
        line = {"type": "attributor", "name": name, "card": card_to_dict(card)}
        stream.write(json.dumps(line, allow_nan=False) + "\n")
    batches = outcome.over_time is not None
    form = SAVED_FORMAT if batches else WITHOUT_BATCHES
    last = {"type": "summary", "format": form, **summarise(outcome)}
    stream.write(json.dumps(last, allow_nan=False) + "\n")


def write_json(outcome: ScanOutcome, stream: TextIO) -> None:
    """One document: summary, cards and rows."""
    cards = {name: card_to_dict(card) for name, card in outcome.cards.items()}
    stream.write('{\n"summary": ')
    json.dump(summarise(outcome), stream, indent=2, allow_nan=False)
    stream.write(',\n"cards": ')
    json.dump(cards, stream, allow_nan=False)
    stream.write(',\n"images": [')
    # Row by row: the list is as long as the bucket.
    separator = "\n"
    for row in rows(outcome):
        stream.write(separator + json.dumps(row, allow_nan=False))
        separator = ",\n"
    stream.write("\n]\n}\n")


def write_csv(outcome: ScanOutcome, stream: TextIO) -> None:
    """One line per row. Cells that a spreadsheet would run as a formula are quoted with '."""
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows(outcome):
        writer.writerow({name: _inert(value) for name, value in flat(row).items()})


def _inert(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.encode("utf-8", "backslashreplace").decode()
    return "'" + value if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


JSONL, JSON, CSV = map(OutputFormat, (write_jsonl, write_json, write_csv))
