"""The one summary every output and the exit code share."""

from __future__ import annotations

import sys
from dataclasses import asdict
from itertools import islice
from typing import Any, Literal

from flipad_ops.attribution.scorer import attainable_p
from flipad_ops.common.exit_codes import (
    FINDINGS,
    INCOMPLETE,
    NOTHING_SCANNED,
    OK,
    UNRECORDED,
)
from flipad_ops.common.shown_text import printable
from flipad_ops.common.version import __version__
from flipad_ops.scanning.decisions.coverage import beyond_sample
from flipad_ops.scanning.decisions.power import power_said
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

#: What gives exit code 3. Each also stands for what the ones before it do; called groups count in
#: all but the last. `accepted`: for review, and both witnesses accept the image.
FailOn = Literal["leak", "accepted", "review", "never"]
DEFAULT_FAIL_ON: FailOn = "accepted"


def verdict(outcome: ScanOutcome) -> str:
    """ "leak" (a called group too), "review", "incomplete" or "clean": the scan's one word."""
    if outcome.tally.verdicts["leak"] or outcome.called:
        return "leak"
    if outcome.tally.verdicts["review"]:
        return "review"
    return "clean" if outcome.complete else "incomplete"


def summarise(outcome: ScanOutcome) -> dict[str, Any]:
    """Counts and verdict, JSON-ready."""
    tally = outcome.tally
    return {
        "verdict": verdict(outcome),
        "complete": outcome.complete,
        "interrupted": outcome.interrupted,
        "signal": outcome.signal,
        "targets": [target.uri for target in outcome.request.targets],
        "scored": len(outcome.findings),
        "leak": tally.verdicts["leak"],
        "review": tally.verdicts["review"],
        "accepted": tally.accepted,
        "clear": tally.verdicts["clear"],
        "groups": len(outcome.called),
        "suppressed": tally.suppressed,
        "named_alone": outcome.named[1],
        "reused": outcome.reused,
        "screened": outcome.screened,
        "stages": {
            name: {"images": images, "seconds": round(seconds, 3)}
            for name, (images, seconds) in outcome.stages.items()
        },
        "coverage": asdict(outcome.seen),
        "coverage_said": coverage_said(outcome),
        "listed": outcome.listed,
        "sample_said": sample_said(outcome),
        "tests": outcome.tests,
        "power": power_of(outcome),
        "over_time": None if outcome.over_time is None else outcome.over_time.to_dict(),
        "over_time_said": over_time_said(outcome),
        "skipped": len(outcome.skipped),
        "skipped_by_reason": dict(tally.skips),
        "failed": len(outcome.failed),
        "not_converged": tally.not_converged,
        "broken": outcome.broken,
        "fdr": outcome.request.fdr,
        "max_errors": outcome.request.max_errors,
        "max_skipped": outcome.request.max_skipped,
        "size_rule": outcome.request.size_rule,
        "selection": outcome.request.selection.describe(),
        "group": outcome.request.group,
        "started": outcome.started,
        "seconds": round(outcome.seconds, 3),
        "attributors": {
            name: {
                "sha256": card.attributor_sha256,
                "generator": f"{card.generator_name}/{card.generator_version}",
                "equivalence_class": list(card.equivalence_class),
                "final_layer_sha256": card.final_layer_sha256,
                "threshold": card.threshold,
                "p_floor": outcome.floors[name],
                "basis": card.basis,
                "second_witness": card.second_witness,
            }
            for name, card in outcome.cards.items()
        },
        "prefixes": {
            name: [vars(test) for test in tests] for name, tests in outcome.prefixes.items()
        },
        "warnings": outcome.warnings,
        "command": outcome.command,
        "code_version": __version__,
    }


def coverage_said(outcome: ScanOutcome) -> str:
    """What share of the images was scanned, in words."""
    rows = outcome.cards and all(card.unit == "row" for card in outcome.cards.values())
    return outcome.seen.said(outcome.request.max_skipped, "row" if rows else "image")


def sample_said(outcome: ScanOutcome) -> str:
    """How many of all listed objects may be attributed, by a sample; "" where none was drawn."""
    if not outcome.listed:
        return ""
    found = {(finding.row.target, finding.row.key) for finding in outcome.flagged}
    return beyond_sample(len(found), outcome.seen.scanned, outcome.listed)


def power_of(outcome: ScanOutcome) -> str:
    """The fewest leaks that could have been called; "" where nothing was new to a ledger."""
    floors = {
        name: attainable_p(floor, outcome.cards[name]) for name, floor in outcome.floors.items()
    }
    if outcome.over_time is None:
        return power_said(floors, outcome.tests, outcome.request.fdr)
    if not outcome.over_time.tests:
        return ""
    return power_said(floors, outcome.tests, outcome.over_time.level, "level")


def named_said(facts: dict[str, Any]) -> str:
    """How many images their files alone connect with a registered generator; "" for none."""
    count = facts["named_alone"]
    if not count:
        return ""
    whose = (
        "1 image that no attributor attributes names"
        if count == 1
        else (f"{count} images that no attributor attributes name")
    )
    return f"{whose} a registered checkpoint in the file"


def over_time_said(outcome: ScanOutcome) -> str:
    """Where its ledger stands, in a sentence; "" where a scan is decided by itself."""
    return "" if outcome.over_time is None else outcome.over_time.said()


def sentences(facts: dict[str, Any]) -> str:
    """What a summary says in words: coverage, sample, power, and where the ledger stands."""
    names = ("coverage_said", "sample_said", "power", "over_time_said")
    told = [*(facts[name] for name in names), named_said(facts)]
    return " ".join(f"{sentence}." for sentence in told if sentence)


def exit_code(outcome: ScanOutcome, fail_on: FailOn = DEFAULT_FAIL_ON) -> int:
    """0, 3, 4, 5, 7, 130 or 143, in the order of precedence of `docs/scan.md`."""
    if outcome.interrupted:
        return 128 + outcome.signal
    tally = outcome.tally
    stopping = {
        "leak": tally.verdicts["leak"],
        "accepted": tally.verdicts["leak"] + tally.accepted,
        "review": tally.verdicts["leak"] + tally.verdicts["review"],
    }
    if fail_on != "never" and (stopping[fail_on] or outcome.called):
        return FINDINGS
    if not outcome.sound:
        return INCOMPLETE
    if not outcome.findings:
        return NOTHING_SCANNED
    if not outcome.covered:
        return INCOMPLETE
    return UNRECORDED if outcome.unrecorded or outcome.unwritten else OK


def reviews(facts: dict[str, Any]) -> str:
    """How many are for review, and who accepts them; of a summary."""
    told = f"{facts['review']} for review"
    if facts["accepted"]:
        told += f" ({facts['accepted']} of them accepted by both witnesses)"
    return told


def scored_said(facts: dict[str, Any]) -> str:
    """How many images were scored, and how often where there are several attributors."""
    several = len(facts["attributors"])
    if several < 2:
        return f"{facts['scored']} scored"
    return (
        f"{facts['coverage']['scanned']} scored by {several} attributors ({facts['scored']} scores)"
    )


def summary_line(outcome: ScanOutcome) -> str:
    """What stderr says at the end."""
    facts = summarise(outcome)
    cost = "".join(
        f"{name} {part['images']} in {part['seconds']:.1f} s, "
        for name, part in facts["stages"].items()
    )
    return (
        f"{scored_said(facts)}, {facts['leak']} leaks, {reviews(facts)}, "
        f"{facts['groups']} groups called, {facts['suppressed']} suppressed, "
        f"{facts['skipped']} skipped, {facts['failed']} failed, "
        f"{facts['reused']} unchanged in {facts['seconds']:.1f} s; "
        f"{cost[:-2]}{'; ' if cost else ''}"
        f"complete: {str(facts['complete']).lower()}\n"
        f"{sentences(facts)}\n"
    )


def tell(outcome: ScanOutcome, brief: bool = False) -> None:
    """What a person wants to know beside the outputs, on stderr.

    Parameters
    ----------
    brief : bool
        The table on the same screen has said what was covered.
    """
    for warning in outcome.warnings:
        sys.stderr.write(f"warning: {printable(warning)}\n")
    for row in islice(outcome.failed, 10):
        sys.stderr.write(f"error: {row.key!r}: {printable(row.reason)}\n")
    for text in (*outcome.broken, *outcome.unwritten):
        sys.stderr.write(f"error: {printable(text)}\n")
    line = summary_line(outcome)
    sys.stderr.write(line.partition("\n")[0] + "\n" if brief else line)
