"""How far a check again may be from what was recorded: other machines, batches and devices."""

from __future__ import annotations

import math

#: Relative difference of scores.
TOLERANCE = 1e-4
#: Difference of logarithms of p-values by a tail's model, after another search.
MODEL_TOLERANCE = math.log(10)
#: Relative difference of ratios of two searches.
SEARCH_TOLERANCE = 0.05
#: dB by which one latent's image may differ.
DECIBELS = 0.1
