"""Fits without a second witness, as quick as the benchmark of quality's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.quality_parts.rows import SCHEDULE, TOLERANCE
from flipad_ops.attribution.fit_settings import FitSettings, recipe


def first_witness(**overrides: Any) -> FitSettings:
    """The default recipe, the first witness alone."""
    settings = recipe("default", **overrides)
    return replace(
        settings,
        regeneration=replace(settings.regeneration, encoder_steps=0),
        inversion=replace(settings.inversion, tolerance=TOLERANCE),
        detector=SCHEDULE,
    )
