"""The table a person reads in a terminal."""

from __future__ import annotations

from typing import TextIO

from flipad_ops.common.text_columns import write_columns
from flipad_ops.scanning.decisions.rules import most_telling
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise
from flipad_ops.scanning.outputs import OutputFormat

#: More findings than this are counted, not listed.
LISTED = 30


def write_table(outcome: ScanOutcome, stream: TextIO) -> None:
    """Prefixes, then the most certain findings, then one verdict line."""
    summary = summarise(outcome)
    for name, tests in outcome.prefixes.items():
        card = outcome.cards[name]
        versions = ", ".join(card.equivalence_class) or (
            f"{card.generator_name}/{card.generator_version}"
        )
        stream.write(f"\n{name}  (generator {versions}, threshold {card.threshold:.4g})\n")
        if card.basis:
            stream.write(f"{card.basis}\n")
        lines: list[tuple[str, ...]] = [
            ("prefix", "scanned", "attributed", "leaks", "expected", "q")
        ]
        lines += [
            (
                printable(test.prefix or "."),
                str(test.scanned),
                str(test.attributed),
                str(test.leaks),
                f"{test.expected:.1f}",
                f"{test.q:.2g}",
            )
            for test in most_telling(tests, LISTED)
        ]
        write_columns(lines, stream, "  ")
        if len(tests) > LISTED:
            stream.write(f"... and {len(tests) - LISTED} more prefixes with a larger q\n")
    found = outcome.of("leak", "review")
    if found:
        stream.write("\n")
        lines = [("verdict", "score", "p", "q", "key")]
        lines += [
            (f.verdict, f"{f.row.score:.4g}", f"{f.row.p:.2g}", f"{f.q:.2g}", printable(f.row.key))
            for f in found[:LISTED]
        ]
        write_columns(lines, stream, "  ")
        if len(found) > LISTED:
            stream.write(f"... and {len(found) - LISTED} more (use -o jsonl=FILE for all)\n")
    stream.write(
        f"\n{summary['verdict'].upper()}: {summary['leak']} leaks, {summary['review']} for review, "
        f"{summary['clear']} clear; {summary['suppressed']} suppressed, "
        f"{summary['skipped']} skipped, {summary['failed']} failed; "
        f"complete: {str(summary['complete']).lower()}\n"
    )


def printable(text: str) -> str:
    """Keys are untrusted: control characters are shown, not sent to the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


TABLE = OutputFormat(write_table)
