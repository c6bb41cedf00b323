"""What to do after a scan: the last line that a person reads, and what was skipped and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from flipad_ops.common.shown_text import printable
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome, kind_of
from flipad_ops.scanning.outcome.suppress import IGNORE_FILE

#: Objects named for each reason.
NAMED = 3


def next_step(outcome: ScanOutcome, outputs: Sequence[tuple[str, Path | None]]) -> str:
    """One line; "" where there is nothing to do.

    Parameters
    ----------
    outputs : sequence of (format, path)
        What was written.
    """
    written = {name: path for name, path in outputs if path is not None}
    if outcome.interrupted:
        return ""
    if outcome.flagged or outcome.called:
        if "html" in written:
            first = f"open {written['html']}"
        elif "jsonl" in written:
            first = f"flipadops report {written['jsonl']} -o html=report.html"
        else:
            return "scan again with -o html=report.html -o jsonl=run.jsonl: pictures, and records"
        check = f"; flipadops verify {written['jsonl']}" if "jsonl" in written else ""
        return printable(f"{first}{check}; what is known and allowed goes into {IGNORE_FILE}")
    if not outcome.sound:
        return "see what failed above; with --state scan.db the next scan reads only what is left"
    if "for their size" in outcome.seen.skipped and outcome.request.size_rule == "reject":
        return "-v lists what was skipped; --size-rule search looks for copies of other sizes"
    if outcome.skipped:
        return "-v lists what was skipped, by reason"
    return ""


def skips_said(outcome: ScanOutcome) -> Iterator[str]:
    """Lines: each reason for which objects were skipped, the most frequent first, and some of them.

    Reasons that differ in a number only are one, told as its first object has it.
    """
    counts, first, names = Counter[str](), dict[str, str](), dict[str, list[str]]()
    for row in outcome.skipped:
        kind = kind_of(row.reason)
        counts[kind] += 1
        first.setdefault(kind, row.reason)
        kept = names.setdefault(kind, [])
        if len(kept) < NAMED:
            kept.append(row.key)
    for kind, count in counts.most_common():
        more = ", ..." if count > NAMED else ""
        yield printable(f"skipped {count}: {first[kind]} ({', '.join(names[kind])}{more})")
