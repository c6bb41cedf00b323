"""The table a person reads in a terminal."""

from __future__ import annotations

from typing import TextIO

from flipad_ops.common.shown_text import printable
from flipad_ops.common.text_columns import write_columns
from flipad_ops.scanning.decisions.groups import most_telling
from flipad_ops.scanning.decisions.witnesses import spoke
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import reviews, sentences, summarise
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
        head = f"{name}  (generator {versions}, threshold {card.threshold:.4g})"
        stream.write(f"\n{printable(head)}\n")
        for sentence in filter(None, (card.basis, card.second_witness)):
            stream.write(f"{printable(sentence)}\n")
        lines: list[tuple[str, ...]] = [
            ("prefix", "scanned", "attributed", "leaks", "expected", "q", "called")
        ]
        lines += [
            (
                test.prefix or ".",
                str(test.scanned),
                str(test.attributed),
                str(test.leaks),
                f"{test.expected:.1f}",
                f"{test.q:.2g}",
                "yes" if test.called else "",
            )
            for test in most_telling(tests, LISTED)
        ]
        write_columns(lines, stream, "  ")
        if len(tests) > LISTED:
            stream.write(f"... and {len(tests) - LISTED} more prefixes with a larger q\n")
    found = outcome.of("leak", "review")
    if found:
        stream.write("\n")
        two = any(f.row.testimony is not None for f in found[:LISTED])
        several = len(outcome.cards) > 1
        whose = ["attributor"] if several else []
        lines = [("verdict", *whose, "score", "p", "q", *(["witnesses"] if two else []), "key")]
        for f in found[:LISTED]:
            said = [spoke(f.row.testimony) or "last layer"] if two else []
            numbers = (f"{f.row.score:.4g}", f"{f.row.p:.2g}", f"{f.q:.2g}")
            whose = [f.row.attributor] if several else []
            lines.append((f.verdict, *whose, *numbers, *said, f.row.key))
        write_columns(lines, stream, "  ")
        if len(found) > LISTED:
            stream.write(f"... and {len(found) - LISTED} more (use -o jsonl=FILE for all)\n")
    stream.write(
        f"\n{summary['verdict'].upper()}: {summary['leak']} leaks, "
        f"{summary['groups']} groups called, {reviews(summary)}, "
        f"{summary['clear']} clear; {summary['suppressed']} suppressed, "
        f"{summary['skipped']} skipped, {summary['failed']} failed; "
        f"complete: {str(summary['complete']).lower()}\n"
        f"{sentences(summary)}\n"
    )


TABLE = OutputFormat(write_table)
