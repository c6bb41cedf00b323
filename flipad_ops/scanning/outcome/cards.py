"""Attributor cards to JSON and back, so that a saved scan can be reported on alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipad_ops.attribution.scorer import AttributorCard

#: Left out where empty: earlier versions refuse cards with fields they do not know.
_OPTIONAL = ("remade_own", "remade_null", "second_witness", "origins", "held_out", "lacking",
             "typical_p", "checkpoints")  # fmt: skip


def card_to_dict(card: AttributorCard) -> dict[str, Any]:
    """JSON-ready; the reference picture is left out, and what a second witness would add."""
    fields = {
        name: value
        for name, value in vars(card).items()
        if name != "reference" and (value or name not in _OPTIONAL)
    }
    return {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()
    }


def card_from_dict(fields: Mapping[str, Any]) -> AttributorCard:
    """The inverse of `card_to_dict`; raises TypeError or KeyError when fields are missing."""
    known = dict(fields)
    known["equivalence_class"] = tuple(known["equivalence_class"])
    known["checkpoints"] = tuple(map(str, known.get("checkpoints", ())))
    known["own_scores"] = tuple(known["own_scores"])
    known["null_scores"] = {name: tuple(values) for name, values in known["null_scores"].items()}
    known["remade_own"] = tuple(known.get("remade_own", ()))
    known["remade_null"] = {
        name: tuple(values) for name, values in known.get("remade_null", {}).items()
    }
    known["held_out"] = {name: tuple(of) for name, of in known.get("held_out", {}).items()}
    known["measured"] = {name: (v, low, high) for name, (v, low, high) in known["measured"].items()}
    return AttributorCard(**known)
