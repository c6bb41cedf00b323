"""The table a person reads in a terminal."""

from __future__ import annotations

from typing import TextIO

from flipad_ops.common.shown_text import printable
from flipad_ops.common.terminal import write_wrapped
from flipad_ops.common.text_columns import write_columns
from flipad_ops.scanning.decisions.groups import most_telling
from flipad_ops.scanning.decisions.witnesses import spoke
from flipad_ops.scanning.outcome.corroboration import file_says
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import reviews, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat

#: More findings than this are counted, not listed.
LISTED = 30
#: What the words of the table mean.
GLOSS = (
    "leak: attributed, and significant over the whole scan; review: attributed only; p: how rarely "
    "a foreign image scores as low; q: p corrected for all tests of the scan"
)


def write_table(outcome: ScanOutcome, stream: TextIO) -> None:
    """Prefixes, then the most certain findings, then one verdict line."""
    summary = summarise(outcome)
    for name, tests in outcome.prefixes.items():
        card = outcome.cards[name]
        versions = ", ".join(card.equivalence_class) or (
            f"{card.generator_name}/{card.generator_version}"
        )
        head = f"{name}  (generator {versions}, threshold {card.threshold:.4g})"
        stream.write("\n")
        write_wrapped(stream, printable(head), "head")
        for sentence in filter(None, (card.basis, card.second_witness)):
            write_wrapped(stream, printable(sentence))
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
        told = any(f.row.stated for f in found[:LISTED])
        several = len(outcome.cards) > 1
        whose = ["attributor"] if several else []
        lines = [
            (
                "verdict",
                *whose,
                "score",
                "p",
                "q",
                *(["witnesses"] if two else []),
                *(["its file says"] if told else []),
                "key",
            )
        ]
        for f in found[:LISTED]:
            said = [spoke(f.row.testimony) or "last layer"] if two else []
            numbers = (f"{f.row.score:.4g}", f"{f.row.p:.2g}", f"{f.q:.2g}")
            whose = [f.row.attributor] if several else []
            says = [file_says(f.row, outcome.cards)] if told else []
            lines.append((f.verdict, *whose, *numbers, *said, *says, f.row.key))
        write_columns(lines, stream, "  ", {"leak": "leak", "review": "review"})
        if len(found) > LISTED:
            stream.write(f"... and {len(found) - LISTED} more (use -o jsonl=FILE for all)\n")
        write_wrapped(stream, GLOSS, "aside", indent="  ")
    named, count = outcome.named
    if named:
        stream.write("\nnot attributed, but named by the file (no proof):\n")
        write_columns([(each.row.key, each.words) for each in named[:LISTED]], stream, "  ")
        if count > LISTED:
            stream.write(f"... and {count - LISTED} more (use -o jsonl=FILE for all)\n")
    stream.write("\n")
    word = summary["verdict"]
    write_wrapped(
        stream,
        f"{word.upper()}: {summary['leak']} leaks, "
        f"{summary['groups']} groups called, {reviews(summary)}, "
        f"{summary['clear']} clear; {summary['suppressed']} suppressed, "
        f"{summary['skipped']} skipped, {summary['failed']} failed; "
        f"complete: {str(summary['complete']).lower()}",
        word,
        lead=len(word),
    )
    write_wrapped(stream, sentences(summary))


TABLE = OutputFormat(write_table)
