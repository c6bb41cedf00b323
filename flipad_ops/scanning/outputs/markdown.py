"""A summary in Markdown: for a job's summary page, or a comment on a merge request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from flipad_ops.common.shown_text import printable
from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.witnesses import spoke
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import reviews, sentences, summarise
from flipad_ops.scanning.outputs import OutputFormat

#: A comment holds 65,536 characters on GitHub; more rows than this are counted, not listed.
LISTED = 50


def write_markdown(outcome: ScanOutcome, stream: TextIO) -> None:
    """Verdict, called groups, the most certain findings, what was skipped, and what made it."""
    facts = summarise(outcome)
    sources = {
        name: f"{card.generator_name}/{card.generator_version}"
        for name, card in outcome.cards.items()
    }
    stream.write(
        f"## flipad_ops: {facts['verdict']}\n\n"
        f"**{facts['leak']} leaks**, {facts['groups']} groups called, {reviews(facts)}, "
        f"{facts['clear']} clear; {facts['suppressed']} suppressed, {facts['skipped']} skipped, "
        f"{facts['failed']} failed; complete: {str(facts['complete']).lower()}\n\n"
        f"{plain(sentences(facts))}\n"
    )
    for sentence in (*outcome.broken, *outcome.warnings):
        stream.write(f"\n> {plain(sentence)}\n")
    groups = (
        (code(sources[name]), code(test.prefix or "."), f"{test.attributed} of {test.scanned}",
         f"{test.expected:.1f}", f"{test.q:.2g}")
        for name, test in outcome.called
    )  # fmt: skip
    _table(stream, ("model", "called group", "attributed", "expected", "q"), groups)
    found = (
        (each.verdict, code(sources[each.row.attributor]), code(outcome.address(each.row)),
         f"{each.row.p:.2g}", f"{each.q:.2g}",
         plain("" if each.row.testimony is None else spoke(each.row.testimony)))
        for each in outcome.of("leak", "review")
    )  # fmt: skip
    _table(stream, ("verdict", "model", "image", "p", "q", "witnesses"), found)
    skips = ((plain(why), str(count)) for why, count in facts["skipped_by_reason"].items())
    _table(stream, ("skipped", "images"), skips)
    stream.write(
        f"\nFalse discovery rate {facts['fdr']:g}; flipad_ops {__version__}, {facts['started']}. "
        "A flag is a statistical suspicion, not proof.\n"
    )


def plain(text: str) -> str:
    """Text in which Markdown, HTML and a page's own links find nothing of theirs."""
    kept = "".join(c if c.isalnum() or c in " ,;%()/-" else f"&#{ord(c)};" for c in printable(text))
    return kept.strip()


def code(text: str) -> str:
    """A name or an address: no page makes a mention or a link of what stands in code."""
    return f"<code>{plain(text)}</code>"


def _table(stream: TextIO, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    count = 0
    for count, row in enumerate(rows, 1):
        if count == 1:
            stream.write(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|\n")
        if count <= LISTED:
            stream.write(f"| {' | '.join(row)} |\n")
    if count > LISTED:
        stream.write(f"\n... and {count - LISTED} more; `-o jsonl=FILE` has all.\n")


MARKDOWN = OutputFormat(write_markdown)
