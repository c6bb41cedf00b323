"""JUnit XML: one suite per attributor, one failing case per finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import TextIO
from xml.sax.saxutils import quoteattr

from flipad_ops.common.shown_text import printable
from flipad_ops.scanning.decisions.groups import said_of
from flipad_ops.scanning.decisions.records import Finding
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import coverage_said, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat

#: Cases of one kind in a suite; GitLab refuses files over 30 MB, and XML of over 250,000 parts.
LISTED = 10_000
#: Characters of a suite that are held in memory.
HELD = 1_000_000


class _Suite:
    """The cases of one attributor: written as they come, as their counts stand before them."""

    def __init__(self, name: str) -> None:
        self.name, self.counts = name, Counter[str]()
        self._names = Counter[str]()
        self._cases = SpooledTemporaryFile[str](HELD, "w+", encoding="utf-8", newline="")

    def add(self, name: str, kind: str = "", message: str = "") -> None:
        """A case that fails in this way, or passes; from LISTED on only counted."""
        self.counts[kind] += 1
        if kind and self.counts[kind] > LISTED:
            return
        self._names[name] += 1
        # Readers know a case by its name.
        self._put(name if self._names[name] < 2 else f"{name} ({self._names[name]})", kind, message)

    def _put(self, name: str, kind: str, message: str) -> None:
        self._cases.write(
            f"    <testcase classname={_quoted(self.name)} name={_quoted(name)}"
            + (f"><{kind} message={_quoted(message)}/></testcase>\n" if kind else "/>\n")
        )

    def close(self) -> None:
        """Forget the cases."""
        self._cases.close()

    def write(self, outcome: ScanOutcome, stream: TextIO) -> None:
        """All of it."""
        for kind, count in self.counts.items():
            if kind and count > LISTED:
                left = f"{count - LISTED} more are not listed; the jsonl output has all."
                self._put(f"more of kind {kind}", kind, left)
                self.counts[kind] = LISTED + 1
        tests = self.counts.total()
        stream.write(
            f'  <testsuite name={_quoted(self.name)} tests="{tests}" '
            f'failures="{self.counts["failure"]}" errors="{self.counts["error"]}" '
            f'skipped="{self.counts["skipped"]}" time="{outcome.seconds:.3f}" '
            # Readers that check the form know no time zones here.
            f"timestamp={_quoted(outcome.started[:19])}>\n"
        )
        self._cases.seek(0)
        stream.writelines(self._cases)
        stream.write("  </testsuite>\n")


def write_junit(outcome: ScanOutcome, stream: TextIO) -> None:
    """What gates a scan by default fails, other reviews and suppressed findings are skipped cases.

    Unread objects are errors. Clear images are one passing case together: a report of millions
    helps no CI server.
    """
    with ExitStack() as stack:
        suites = {name: stack.enter_context(closing(_Suite(name))) for name in outcome.cards}
        _fill(suites, outcome)
        stream.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="flipadops scan">\n')
        for suite in suites.values():
            suite.write(outcome, stream)
        stream.write("</testsuites>\n")


def _fill(suites: Mapping[str, _Suite], outcome: ScanOutcome) -> None:
    many = len(outcome.request.targets) > 1

    def named(target: str, key: str) -> str:
        return f"{target}: {key}" if many else key

    for name, test in outcome.called:
        suites[name].add(f"group {test.prefix or '.'}", "failure", said_of(test))
    for finding in chain(outcome.flagged, outcome.suppressed()):
        row = finding.row
        gates = finding.verdict == "leak" or finding.accepted
        kind = "failure" if gates and not finding.suppressed else "skipped"
        suites[row.attributor].add(named(row.target, row.key), kind, _said(finding))
    for row in outcome.failed:
        suites[row.attributor].add(named(row.target, row.key), "error", row.reason)
    said = sentences(summarise(outcome)).removesuffix(".")
    for name, suite in suites.items():
        for text in [*outcome.broken, *_unseen(outcome)]:
            suite.add("the scan itself", "error", text)
        suite.add(f"{outcome.clear[name]} scored images are clear; {said}")


def _said(finding: Finding) -> str:
    row, why = finding.row, finding.suppressed or finding.why
    text = (
        f"{finding.verdict}: score {row.score:.4g}, p {row.p:.2g}, "
        f"q {finding.q:.2g}, sha256 {row.sha256}"
    )
    return f"{text}; {why}" if why else text


def _unseen(outcome: ScanOutcome) -> list[str]:
    """Why a scan that went well is incomplete all the same."""
    if outcome.findings and outcome.covered:
        return []
    return [f"Incomplete: {coverage_said(outcome)}."]


def _quoted(text: str) -> str:
    # XML has no way to write control characters or lone surrogates, so they are shown.
    return quoteattr(printable(text))


JUNIT = OutputFormat(write_junit)
