"""The data-quality gate on a finished score table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs.structured import rows
from flipad_ops.workflows.expectations import Expectation, judge

#: Rows judged at a time; uniqueness over the whole table is the ledger's own primary key.
PART = 200_000

_ROWS = (
    Expectation(
        "expect_compound_columns_to_be_unique",
        options={"column_list": ["target", "key", "attributor"]},
    ),
    Expectation(
        "expect_column_values_to_be_in_set",
        "outcome",
        {"value_set": ["scored", "skipped", "failed"]},
    ),
)
_SCORED = (
    Expectation("expect_column_values_to_not_be_null", "score"),
    Expectation(
        "expect_column_values_to_be_between", "score", {"min_value": 0.0, "max_value": 1e300}
    ),
    Expectation("expect_column_values_to_not_be_null", "p"),
    Expectation(
        "expect_column_values_to_be_between",
        "p",
        {"min_value": 0.0, "max_value": 1.0, "strict_min": True},
    ),
    Expectation("expect_column_value_lengths_to_equal", "sha256", {"value": 64}),
)
_OTHERS = (Expectation("expect_column_value_lengths_to_be_between", "reason", {"min_value": 1}),)


def check_scores(outcome: ScanOutcome) -> list[str]:
    """One sentence for each expectation that the score table does not meet.

    Expected: target, key and attributor identify a row; scored rows have a score of at least
    zero, a p in (0, 1] and a content hash; the others have a reason; no row is missing.
    """
    counted = len(outcome.findings) + len(outcome.skipped) + len(outcome.failed)
    seen = 0
    failures: list[str] = []
    for part in _parts(outcome):
        seen += len(part)
        failures += [text for text in _judge(part) if text not in failures]
    if seen != counted:
        failures.append(f"The score table has {seen} rows, but {counted} were counted.")
    return failures


def _parts(outcome: ScanOutcome) -> Iterator[list[dict[str, Any]]]:
    records = rows(outcome)
    while part := list(islice(records, PART)):
        yield part


def _judge(part: list[dict[str, Any]]) -> list[str]:
    scored = [row for row in part if row["outcome"] == "scored"]
    others = [row for row in part if row["outcome"] != "scored"]
    tables: tuple[tuple[str, list[dict[str, Any]], Sequence[Expectation]], ...] = (
        ("rows", part, _ROWS),
        ("scored rows", scored, _SCORED),
        ("other rows", others, _OTHERS),
    )
    failures = []
    for name, records, expected in tables:
        names = {each.column or key for each in expected for key in ("target", "key", "attributor")}
        table = {column: [row[column] for row in records] for column in names}
        for judged in judge(name, table, expected) if records else ():
            if not judged.success:
                about = judged.expected.column or "table"
                failures.append(f"{name}: {about}: {judged.expected.rule} does not hold.")
    return failures
