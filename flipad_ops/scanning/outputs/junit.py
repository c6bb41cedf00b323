"""JUnit XML: one suite per attributor, one failing case per finding."""

from __future__ import annotations

from typing import TextIO
from xml.sax.saxutils import quoteattr

from flipad_ops.scanning.decisions.groups import said_of
from flipad_ops.scanning.decisions.witnesses import printable
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import coverage_said, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat


def write_junit(outcome: ScanOutcome, stream: TextIO) -> None:
    """What gates a scan by default fails, other reviews and suppressed findings are skipped cases.

    Unread objects are errors. Clear images are one passing case together: a report of millions
    helps no CI server.
    """
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="flipadops scan">\n')
    said = sentences(summarise(outcome)).removesuffix(".")
    for name in outcome.cards:
        cases = list[str]()
        clear = 0
        counts = {"failure": 0, "skipped": 0, "error": 0}
        for finding in outcome.findings:
            if finding.row.attributor != name:
                continue
            if finding.verdict == "clear":
                clear += 1
                continue
            gates = finding.verdict == "leak" or finding.accepted
            kind = "failure" if gates and not finding.suppressed else "skipped"
            counts[kind] += 1
            text = (
                f"{finding.verdict}: score {finding.row.score:.4g}, p {finding.row.p:.2g}, "
                f"q {finding.q:.2g}, sha256 {finding.row.sha256}"
            )
            why = finding.suppressed or finding.why
            cases.append(_case(name, finding.row.key, kind, f"{text}; {why}" if why else text))
        for test in (test for called, test in outcome.called if called == name):
            counts["failure"] += 1
            cases.append(_case(name, f"group {test.prefix or '.'}", "failure", said_of(test)))
        for row in outcome.failed:
            if row.attributor == name:
                counts["error"] += 1
                cases.append(_case(name, row.key, "error", row.reason))
        for text in [*outcome.broken, *_unseen(outcome)]:
            counts["error"] += 1
            cases.append(_case(name, "the scan itself", "error", text))
        cases.append(_case(name, f"{clear} scored images are clear; {said}", "", ""))
        stream.write(
            f'  <testsuite name={_quoted(name)} tests="{len(cases)}" '
            f'failures="{counts["failure"]}" errors="{counts["error"]}" '
            f'skipped="{counts["skipped"]}" time="{outcome.seconds:.3f}" '
            f"timestamp={_quoted(outcome.started)}>\n"
        )
        stream.writelines(cases)
        stream.write("  </testsuite>\n")
    stream.write("</testsuites>\n")


def _unseen(outcome: ScanOutcome) -> list[str]:
    """Why a scan that went well is incomplete all the same."""
    if outcome.findings and outcome.covered:
        return []
    return [f"Incomplete: {coverage_said(outcome)}."]


def _case(suite: str, name: str, kind: str, message: str) -> str:
    head = f"    <testcase classname={_quoted(suite)} name={_quoted(name)}"
    return f"{head}><{kind} message={_quoted(message)}/></testcase>\n" if kind else f"{head}/>\n"


def _quoted(text: str) -> str:
    # XML has no way to write control characters or lone surrogates, so they are shown.
    return quoteattr(printable(text))


JUNIT = OutputFormat(write_junit)
