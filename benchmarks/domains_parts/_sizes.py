"""Sample counts and schedules that rows share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.detection import DeepSadSettings

#: DeepSAD's epochs and the tolerance of inversions: looser than the default, for time.
EPOCHS, TOLERANCE = 8, 0.1


def scaled(count: int, budget: float) -> int:
    """`count` at budget 1, never fewer than 24."""
    return max(24, round(count * budget))


def settings(budget: float, seed: int, **changes: Any) -> FitSettings:
    """The default recipe with 1,600 own samples for training and 800 for calibration."""
    chosen = recipe(
        "default",
        own_train=scaled(1600, budget),
        own_calibration=scaled(800, budget),
        own_test=24,
        anchor_samples=scaled(2000, budget),
        min_negatives=24,
        seed=seed,
    )
    loose = replace(chosen.inversion, tolerance=TOLERANCE)
    return replace(
        chosen, **{"inversion": loose, "detector": DeepSadSettings(epochs=EPOCHS), **changes}
    )
