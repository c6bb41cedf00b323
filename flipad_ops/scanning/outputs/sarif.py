"""SARIF 2.1.0, as code hosts take it: leaks are errors, reviews warnings."""

from __future__ import annotations

import json
from typing import Any, TextIO

from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.decisions.witnesses import printable
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs import OutputFormat

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
RULES = {
    "leak": ("error", "The image was made by a registered generator (false discovery rate held)."),
    "review": ("warning", "The image is attributed, but the evidence is not significant alone."),
}


def write_sarif(outcome: ScanOutcome, stream: TextIO) -> None:
    """One run; the content hash is the fingerprint, so that moved files stay the same finding."""
    failed = [
        {"level": "error", "message": {"text": f"{printable(row.key)}: {row.reason}"}}
        for row in outcome.failed
    ]
    failed += [{"level": "error", "message": {"text": text}} for text in outcome.broken]
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
                "results": [_result(outcome, finding) for finding in outcome.notable()],
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
        "level": RULES[finding.verdict][0],
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


SARIF = OutputFormat(write_sarif)
