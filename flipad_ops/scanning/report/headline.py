"""The first words of a report: what was found, of whose, and how often such words are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flipad_ops.attribution.scorer import AttributorCard
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome


def model_of(card: AttributorCard) -> str:
    """NAME/VERSION of the generator."""
    return f"{card.generator_name}/{card.generator_version}"


def headline(summary: Mapping[str, Any], models: list[str], unit: str) -> str:
    """ "Suspected leak of faces/3: 12 images and 1 group as a whole"."""
    whose = " and ".join(models) if len(models) < 3 else f"{len(models)} models"
    of = f" of {whose}" if models else ""
    if summary["verdict"] == "leak":
        said = [_some(summary["leak"], unit)] if summary["leak"] else []
        if summary["groups"]:
            said.append(f"{_some(summary['groups'], 'group')} as a whole")
        return f"Suspected leak{of}: {' and '.join(said)}"
    if summary["verdict"] == "review":
        said = [_some(summary["review"], unit)]
        if summary["accepted"]:
            said.append(f"{summary['accepted']} of them accepted by both witnesses")
        return f"For review, perhaps{of}: {', '.join(said)}"
    return f"Nothing found{of}" if summary["verdict"] == "clean" else "Incomplete"


def counts_of(outcome: ScanOutcome) -> dict[str, str]:
    """ "4 leaks, 1 for review" by attributor; "" where nothing is flagged."""
    flagged = Counter((f.row.attributor, f.verdict) for f in outcome.flagged)
    said = {}
    for name in outcome.cards:
        leaks, reviews = flagged[name, "leak"], flagged[name, "review"]
        parts = [_some(leaks, "leak")] if leaks else []
        said[name] = ", ".join([*parts, f"{reviews} for review"] if reviews else parts)
    return said


def rate_said(outcome: ScanOutcome) -> str:
    """How often a leak is expected to be wrong, and what of one's own is found."""
    if outcome.over_time is None:
        said = (
            f"of all that is called a leak, {100 * outcome.request.fdr:g}% is expected to be wrong "
            "at most (false discovery rate)"
        )
    else:
        said = (
            f"any false call in a year has a probability of {100 * outcome.over_time.yearly:g}% "
            "at most"
        )
    if len(outcome.cards) == 1:
        (card,) = outcome.cards.values()
        if "tpr" in card.measured:
            value, low, high = card.measured["tpr"]
            said += (
                f"; held out, {value:.1%} of own {card.unit}s are found (95% interval {low:.1%} to "
                f"{high:.1%})"
            )
        if card.lacking:
            said += ". Where this was not tested: see provenance"
    return f"{said}."


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
