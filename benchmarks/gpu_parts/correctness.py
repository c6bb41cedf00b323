"""First whether the device computes what the CPU computes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_parts.subjects import foreign, layers, samples, small, split
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.serialisation import load_attributor, save_attributor
from flipad_ops.inversion import FinalLayerInverter

Row = dict[str, Any]
SECTION = "correctness"
RECIPES = ("default", "fast", "paper")
#: Relative difference of scores that sums in another order may make where a search is behind them.
TOLERANCE = 1e-2


def rows(device: str, share: float, recipes: Sequence[str] = RECIPES) -> Iterator[Row]:
    """Certificates, scores of an attributor that the CPU fitted, batches, every recipe's fit."""
    for name, (layer, output_map, anchor, pixels) in layers(32).items():
        found = [
            FinalLayerInverter(layer, output_map, anchor, device=where).invert(pixels[:8])
            for where in ("cpu", device)
        ]
        here, there = ((r.gap / r.objective).cpu() for r in found)
        mates = FinalLayerInverter(layer, output_map, anchor, device=device)
        one = torch.cat([mates.invert(pixels[n : n + 1]).z for n in range(4)])
        yield {
            "section": SECTION, "what": f"inversion, {name}",
            "objective_difference": float(
                (found[1].objective.cpu() / found[0].objective - 1).abs().max()
            ),
            "largest_gap_cpu": float(here.max()), "largest_gap": float(there.max()),
            "batch_difference": float((mates.invert(pixels[:4]).z - one).abs().max()),
        }  # fmt: skip
    images = torch.cat([samples(0, 12), samples(1, 12)])
    for name in recipes:
        begun = time.perf_counter()
        own = split(0, device)
        fitted = fit_attributor(own, foreign(200), small(name, share), device=device).attributor
        seconds = time.perf_counter() - begun
        scores = fitted.score(images).score
        alone = np.concatenate([fitted.score(images[n : n + 1]).score for n in range(8)])
        with tempfile.TemporaryDirectory() as folder:
            save_attributor(fitted, Path(folder))
            there = load_attributor(Path(folder), "cpu")
            if there.regeneration is not None:
                there.bring(split(0, "cpu"))
            same = there.score(images).score
        off = np.abs(scores / same - 1)[np.isfinite(same) & np.isfinite(scores)]
        yield {
            "section": SECTION, "what": f"fit and scores, recipe {name}",
            "fit_s": round(seconds, 1),
            "score_difference_cpu": float(np.max(off, initial=0.0)),
            "within": bool(np.max(off, initial=0.0) <= TOLERANCE),
            "score_difference_alone": float(np.max(np.abs(alone / scores[:8] - 1))),
            "second_witness": fitted.second is not None,
        }  # fmt: skip
