"""Held-out figures in words: of how many, what was not tested, and whether a fit is weak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A source of foreign images of which more than this share is attributed, with 95% confidence,
#: makes an attributor weak: at the default FDR a scan is to be believed, not sorted by hand.
WEAK = 0.05
#: What a source's stratum is called where its images are altered, and out of lossy files.
ALTERED, RECOMPRESSED = ", altered", ", recompressed"
#: The words of `flipad_ops.attribution.relatives.not_among`, in full.
_FULL = {
    "no other generator": "no other generator",
    "no relative": "no relative (another version of this model)",
}


def counted(samples: int, origins: int) -> str:
    """ "120", or "120 of 30 origins" where these are fewer."""
    if origins == samples:
        return str(samples)
    return f"{samples} of {origins} origin{'' if origins == 1 else 's'}"


def rate_said(rate: Mapping[str, Any]) -> str:
    """ "1.67% (0.04% to 8.94%)" of an `asdict` of a `Rate`."""
    return f"{rate['value']:.2%} ({rate['low']:.2%} to {rate['high']:.2%})"


def held_out(rate: Mapping[str, Any]) -> str:
    """What a rate was measured on, see `counted`; earlier versions recorded no origins."""
    return counted(rate["count"], rate.get("origins", rate["count"]))


def stated(evaluation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The false positive rate of each stratum: as made, altered, and out of lossy files."""
    kinds = {
        "": evaluation,
        ALTERED: evaluation.get("altered", {}),
        RECOMPRESSED: evaluation.get("recompressed", {}),
    }
    return {
        name + end: stratum["fpr"]
        for end, figures in kinds.items()
        for name, stratum in figures.get("strata", {}).items()
    }


def lacking(evaluation: Mapping[str, Any]) -> str:
    """What was not among the foreign images of a fit, and what stood in for it; "" if nothing.

    Attributors of earlier versions do not say.
    """
    missing = [_FULL.get(each, str(each)) for each in evaluation.get("not_among", ())]
    said = [f"Among the foreign images: {', '.join(missing)}."] if missing else []
    if evaluation.get("relatives"):
        said.append(str(evaluation["relatives"]))
    return " ".join(said)


def weakness(evaluation: Mapping[str, Any]) -> str:
    """Why an attributor with these figures, of whoever speaks, is weak: a sentence; "" if not.

    Every rate counts that the card states: of images as made, altered, and out of lossy files.
    """
    rates = stated(evaluation)
    # By images: that these pass is known, however few origins they have.
    worst = [(_least(rate), name, rate) for name, rate in rates.items() if _least(rate) > WEAK]
    if not worst:
        return ""
    worst.sort(key=lambda each: each[:2], reverse=True)
    told = "; ".join(
        f"{rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%}) of {name!r}"
        for _, name, rate in worst[:3]
    )
    second = "first_witness" in evaluation
    more = "" if second else " or fit with the second witness (recipe default)"
    return (
        f"It attributes {told}, held-out foreign images, and more than {WEAK:.0%} is too much to "
        f"rely on: name more foreign images (--negatives, --negatives-model){more}."
    )


def _least(rate: Mapping[str, Any]) -> float:
    """Lower end of the 95% interval of a rate, by images."""
    from flipad_ops.detection import Rate

    count = rate["count"]
    return Rate.of(round(rate["value"] * count) if count else 0, count).low
