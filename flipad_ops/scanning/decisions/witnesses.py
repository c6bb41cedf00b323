"""Which witnesses spoke for an image, in words.

The first looks at the last layer's input that an inversion recovers; the second makes the image
again.
"""

from __future__ import annotations

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.shown_text import printable

AS_MADE = "as made"
#: In a table, where there is little room.
SHORT = {
    "both": "both",
    "first": "last layer",
    "second": "remade",
    "neither": "neither",
}


def why_said(testimony: Testimony | None, attributed: bool) -> str:
    """Who accepts the image and what the other one says; "" where nobody was asked.

    A clear image gets a sentence only where a witness accepts it.
    """
    if testimony is None or (testimony.witnesses == "neither" and not attributed):
        return ""
    how = altered(testimony)
    said = {
        "both": f"Two witnesses: the last layer's input and the remade image ({how})",
        "second": f"The remade image ({how}) is the only witness: the last layer's input does not "
        "speak for it",
        "first": "Only the last layer's input looks like the generator's: the nearest image that "
        f"it makes ({how}) is {testimony.ratio:.3g} times as far as allowed",
        "neither": f"Neither witness accepts it alone (remade {how})",
    }[testimony.witnesses]
    if testimony.empirical_p is not None:
        said += (
            ". p is by a model of the tail of both; among the calibration images it is "
            f"{testimony.empirical_p:.2g}"
        )
    return f"{said}." if attributed else f"Not attributed. {said}."


def altered(testimony: Testimony) -> str:
    """The alteration: "as made, to within 1.1 grey levels", or "altered: JPEG 85"."""
    words = printable(testimony.words)
    return words if words.startswith(AS_MADE) else f"altered: {words}"


def spoke(testimony: Testimony | None) -> str:
    """Who spoke, for a table: "both, altered: JPEG 85"; "" where nobody was asked."""
    return "" if testimony is None else f"{SHORT[testimony.witnesses]}, {altered(testimony)}"
