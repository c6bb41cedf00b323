"""Held-out rates in words: of how many images, and of how many origins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
