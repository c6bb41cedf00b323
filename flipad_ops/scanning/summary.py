"""The one summary every output and the exit code share."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from flipad_ops.scanning.run import ScanOutcome

FailOn = Literal["leak", "review", "never"]


def verdict(outcome: ScanOutcome) -> str:
    """ "leak", "review", "incomplete" or "clean": the scan's one word."""
    if outcome.of("leak"):
        return "leak"
    if outcome.of("review"):
        return "review"
    return "clean" if outcome.complete and outcome.findings else "incomplete"


def summarise(outcome: ScanOutcome) -> dict[str, Any]:
    """Counts and verdict, JSON-ready."""
    counts = Counter(finding.verdict for finding in outcome.findings)
    return {
        "verdict": verdict(outcome),
        "complete": outcome.complete,
        "interrupted": outcome.interrupted,
        "targets": [target.uri for target in outcome.request.targets],
        "scored": len(outcome.findings),
        "leak": counts["leak"],
        "review": counts["review"],
        "clear": counts["clear"],
        "skipped": len(outcome.skipped),
        "skipped_by_reason": dict(Counter(_kind(row.reason) for row in outcome.skipped)),
        "failed": len(outcome.failed),
        "not_converged": sum(finding.row.converged is False for finding in outcome.findings),
        "fdr": outcome.request.fdr,
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
            }
            for name, card in outcome.cards.items()
        },
        "prefixes": {
            name: [vars(test) for test in tests] for name, tests in outcome.prefixes.items()
        },
        "warnings": outcome.warnings,
    }


def exit_code(outcome: ScanOutcome, fail_on: FailOn = "leak") -> int:
    """0, 3, 4, 5 or 130, in the order of precedence of `docs/scan.md`."""
    if outcome.interrupted:
        return 130
    stopping = {"leak": ("leak",), "review": ("leak", "review"), "never": ()}[fail_on]
    if stopping and outcome.of(*stopping):
        return 3
    if not outcome.complete:
        return 4
    return 0 if outcome.findings else 5


def _kind(reason: str) -> str:
    """A reason without its numbers, so that alike ones are counted together."""
    return "".join("N" if c.isdigit() else c for c in reason).replace("NN", "N")[:60]
