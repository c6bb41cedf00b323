"""What a reader may filter and sort findings by, in CSS alone: the page runs no script."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flipad_ops.scanning.decisions.records import Finding


@dataclass(frozen=True)
class Choice:
    """One of several under one name; the first is chosen when the page opens.

    Parameters
    ----------
    hides : str
        CSS selector of what is not shown then; "" for nothing.
    order : str
        CSS property by which pictures are sorted; "" if they are not.
    """

    name: str
    id: str
    label: str
    first: bool = False
    hides: str = ""
    order: str = ""


def classes(finding: Finding, attributors: list[str]) -> str:
    """CSS classes by which a finding is shown or hidden; none of them is a foreign text."""
    chosen = ["of", finding.verdict, f"m{attributors.index(finding.row.attributor)}"]
    return " ".join([*chosen, "accepted"] if finding.accepted else chosen)


def choices(found: Collection[Finding], attributors: list[str], remade: bool) -> list[Choice]:
    """Those that make a difference.

    Parameters
    ----------
    remade : bool
        Whether there are remade images, to sort by how near they are.
    """
    if len(found) < 2:
        return []
    of = {"leak": "leaks", "review": "for review"}
    kinds = {kind: label for kind, label in of.items() if any(f.verdict == kind for f in found)}
    shown = [(kind, label) for kind, label in kinds.items() if len(kinds) > 1]
    if any(f.accepted for f in found) and not all(f.accepted for f in found):
        shown.append(("accepted", "for review, accepted by both witnesses"))
    by = {f.row.attributor for f in found}
    if len(by) > 1:
        shown += [(f"m{attributors.index(name)}", f"of {name}") for name in attributors
                  if name in by]  # fmt: skip
    made = [Choice("show", f"show-{k}", label, hides=f".of:not(.{k})") for k, label in shown]
    if made:
        made.insert(0, Choice("show", "show-all", "all", first=True))
    orders = [("certain", "most certain first"), ("address", "by address")]
    orders += [("near", "nearest remade first")] if remade else []
    made += [
        Choice("order", f"order-{key}", label, number == 0, order=f"--{key}")
        for number, (key, label) in enumerate(orders)
    ]
    return made
