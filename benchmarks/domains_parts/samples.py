"""A vendor's generator: 2,500 samples in place of the model, so nothing is inverted."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts import medical
from benchmarks.domains_parts._sizes import settings
from flipad_ops.generators import split_generator

_BOUGHT = 404_404


def material(budget: float, seed: int) -> Material:
    """As `medical`, without the generator."""
    known = medical.material(budget, seed)
    chosen = settings(budget, seed)
    count = chosen.own_train + chosen.own_calibration + chosen.own_test
    bought = known.generator.sample(count, _BOUGHT + seed)
    return replace(
        known,
        title="Samples only (vendor): DCGAN without weights",
        generator=split_generator(
            lambda latents: latents, {"samples": "bought"}, latents=bought * 2 - 1
        ),
        settings=chosen,
        note=f"{count} samples of the same DCGAN as in the row `medical` and nothing of its "
        "weights; the same foreign images. Without inversion.",
    )
