"""SARIF 2.1.0, as code hosts take it: what gates by default is an error, other reviews warnings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.groups import grouping, said_of
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.witnesses import printable
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "leak": ("error", "The image was made by a registered generator (false discovery rate held)."),
    "group": ("error", "The group holds more attributed images than false alarms explain."),
    "review": ("warning", "The image is attributed, but the evidence is not significant alone."),
}


def write_sarif(outcome: ScanOutcome, stream: TextIO) -> None:
    """One run; the content hash is the fingerprint, so that moved files stay the same finding."""
    failed = [
        {"level": "error", "message": {"text": f"{printable(row.key)}: {row.reason}"}}
        for row in outcome.failed
    ]
    failed += [{"level": "error", "message": {"text": text}} for text in outcome.broken]
    facts = summarise(outcome)
    level = "note" if outcome.findings and outcome.covered else "error"
    failed.append({"level": level, "message": {"text": sentences(facts)}})
    rules = [
        {
            "id": name,
            "shortDescription": {"text": text},
            "defaultConfiguration": {"level": level},
        }
        for name, (level, text) in RULES.items()
    ]
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "flipadops", "version": __version__, "rules": rules}},
                "invocations": [
                    {
                        "executionSuccessful": outcome.complete,
                        "toolExecutionNotifications": failed,
                    }
                ],
                "results": [
                    *(_result(outcome, finding) for finding in outcome.notable()),
                    *_groups(outcome),
                ],
            }
        ],
    }
    json.dump(document, stream, indent=1, allow_nan=False)
    stream.write("\n")


def _result(outcome: ScanOutcome, finding: Finding) -> dict[str, Any]:
    row, card = finding.row, outcome.cards[finding.row.attributor]
    source = f"{card.generator_name}/{card.generator_version}"
    text = (
        f"Attributed to generator {source} by {row.attributor}: score {row.score:.4g} "
        f"(threshold {card.threshold:.4g}), p {row.p:.2g}, q {finding.q:.2g}. A flag is a "
        "statistical suspicion, not proof."
    )
    result: dict[str, Any] = {
        "ruleId": finding.verdict,
        "level": RULES["leak" if finding.accepted else finding.verdict][0],
        "message": {"text": f"{text} {finding.why}".strip()},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": outcome.address(row)},
                    "region": {"startLine": 1},
                }
            }
        ],
        "partialFingerprints": {"contentAndAttributor/v1": f"{row.sha256}:{row.attributor}"},
        "properties": {"score": row.score, "p": row.p, "q": finding.q, "key": printable(row.key)},
    }
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
        where = {"artifactLocation": {"uri": outcome.address(row)}, "region": {"startLine": 1}}
        name = printable(test.prefix or ".")
        text = f"Group {name}, attributed to a generator by {row.attributor}: {said_of(test)}."
        yield {
            "ruleId": "group",
            "level": RULES["group"][0],
            "message": {"text": text},
            "locations": [{"physicalLocation": where}],
            "partialFingerprints": {"groupAndAttributor/v1": f"{name}:{row.attributor}"},
            "properties": {"p": test.p, "q": test.q, "group": name},
        }


SARIF = OutputFormat(write_sarif)
