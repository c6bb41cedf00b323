"""SARIF 2.1.0, as code hosts take it: what gates by default is an error, other reviews warnings.

GitHub takes relative URIs only, at most 25,000 results a run, and tells results apart by
`primaryLocationLineHash`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO
from urllib.parse import unquote

from flipad_ops.common.shown_text import printable
from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.groups import grouping, said_of
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat
from flipad_ops.storage.target import quoted

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: In one run; the worst come first, and how many are left out is said.
RESULTS = 25_000
#: Notifications of unread objects; the rest is counted.
LISTED = 1000
RULES = {
    "leak": ("error", "The image was made by a registered generator (false discovery rate held)."),
    "group": ("error", "The group holds more attributed images than false alarms explain."),
    "review": ("warning", "The image is attributed, but the evidence is not significant alone."),
}


def write_sarif(outcome: ScanOutcome, stream: TextIO) -> None:
    """One run; the content hash is the fingerprint, so that moved files stay the same finding."""
    rules = [
        {
            "id": name,
            "shortDescription": {"text": text},
            "fullDescription": {"text": text},
            "help": {"text": f"{text} A flag is a statistical suspicion, not proof."},
            "defaultConfiguration": {"level": level},
        }
        for name, (level, text) in RULES.items()
    ]
    groups = list(islice(_groups(outcome), RESULTS))
    results = [*islice(_worst_first(outcome), RESULTS - len(groups)), *groups]
    more = len(outcome.called) + len(outcome.flagged) + outcome.tally.suppressed - len(results)
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "flipadops", "version": __version__, "rules": rules}},
                "invocations": [
                    {
                        "executionSuccessful": outcome.complete,
                        "toolExecutionNotifications": _notifications(outcome, more),
                    }
                ],
                "results": results,
            }
        ],
    }
    json.dump(document, stream, indent=1, allow_nan=False)
    stream.write("\n")


def _notifications(outcome: ScanOutcome, more: int) -> list[dict[str, Any]]:
    """What went wrong, what is left out, and the summary."""
    errors = [
        f"{printable(row.key)}: {printable(row.reason)}" for row in islice(outcome.failed, LISTED)
    ]
    if len(outcome.failed) > LISTED:
        errors.append(f"{len(outcome.failed) - LISTED} more objects could not be read.")
    told = [("error", text) for text in [*errors, *outcome.broken]]
    if more > 0:
        told.append(("warning", f"{more} more results are not in this file; the jsonl has all."))
    level = "note" if outcome.findings and outcome.covered else "error"
    told.append((level, sentences(summarise(outcome))))
    return [{"level": level, "message": {"text": text}} for level, text in told]


def _worst_first(outcome: ScanOutcome) -> Iterator[dict[str, Any]]:
    """What gates, the most certain first; other reviews; what is suppressed."""
    for gates in (True, False):
        for finding in outcome.flagged:
            if (_level(finding) == "error") is gates:
                yield _result(outcome, finding)
    for finding in outcome.suppressed():
        yield _result(outcome, finding)


def _level(finding: Finding) -> str:
    return RULES["leak" if finding.accepted else finding.verdict][0]


def _place(outcome: ScanOutcome, row: Row) -> dict[str, Any]:
    """Below the repository, or as if it were: buckets are folders there."""
    address = outcome.address(row)
    _, scheme, path = address.partition("://")
    if scheme:
        hidden = {".": "%2E", "..": "%2E%2E"}  # parts of keys, and no way up
    else:
        path = quoted(os.path.relpath(unquote(address, errors="surrogateescape")))
        hidden = {".": "", "..": ""}
    parts = filter(None, (hidden.get(part, part) for part in path.split("/")))
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": "/".join(parts).replace(":", "%3A")},
            "region": {"startLine": 1},
        }
    }


def _result(outcome: ScanOutcome, finding: Finding) -> dict[str, Any]:
    row, card = finding.row, outcome.cards[finding.row.attributor]
    source = f"{card.generator_name}/{card.generator_version}"
    text = (
        f"Attributed to generator {source} by {row.attributor}: score {row.score:.4g} "
        f"(threshold {card.threshold:.4g}), p {row.p:.2g}, q {finding.q:.2g}. A flag is a "
        "statistical suspicion, not proof."
    )
    mark = f"{row.sha256}:{row.attributor}"
    result: dict[str, Any] = {
        "ruleId": finding.verdict,
        "level": _level(finding),
        "message": {"text": printable(f"{text} {finding.why}".strip())},
        "locations": [_place(outcome, row)],
        "partialFingerprints": {"contentAndAttributor/v1": mark, "primaryLocationLineHash": mark},
        "properties": {
            "score": row.score, "p": row.p, "q": finding.q, "key": printable(row.key),
            "address": outcome.address(row),
        },
    }  # fmt: skip
    if row.testimony is not None:
        said = {"witnesses": row.testimony.witnesses, "alteration": printable(row.testimony.words)}
        result["properties"] |= said
    if finding.suppressed:
        result["suppressions"] = [{"kind": "external", "justification": finding.suppressed}]
    return result


def _groups(outcome: ScanOutcome) -> Iterator[dict[str, Any]]:
    """The called groups, each at its first attributed image: a group need not be a place."""
    wanted = {(name, test.prefix): test for name, test in outcome.called}
    group = grouping(outcome.request.group)
    for finding in outcome.notable() if wanted else ():
        row = finding.row
        test = None if finding.suppressed else wanted.pop((row.attributor, group(row.key)), None)
        if test is None:
            continue
        name = printable(test.prefix or ".")
        text = f"Group {name}, attributed to a generator by {row.attributor}: {said_of(test)}."
        mark = f"{name}:{row.attributor}"
        yield {
            "ruleId": "group",
            "level": RULES["group"][0],
            "message": {"text": printable(text)},
            "locations": [_place(outcome, row)],
            "partialFingerprints": {"groupAndAttributor/v1": mark, "primaryLocationLineHash": mark},
            "properties": {"p": test.p, "q": test.q, "group": name},
        }


SARIF = OutputFormat(write_sarif)
