"""One row: fit the product and the baselines to a domain's material and score what was held out."""

from __future__ import annotations

import importlib
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.domains_frame.intervals import accuracy_interval, auc_interval
from benchmarks.domains_frame.material import Material
from benchmarks.quality_parts.baselines import Fitted, deepsad_row, log_dct, pixels
from benchmarks.quality_parts.measures import columns
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.own_samples import draw_own

BATCH = 32
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {"rawpad": pixels, "dctpad": log_dct}


def measure(name: str, budget: float, seed: int) -> dict[str, Any]:
    """The row of `benchmarks.domains_parts.<name>`."""
    begin = time.perf_counter()
    module = importlib.import_module(f"benchmarks.domains_parts.{name}")
    material: Material = module.material(budget, seed)
    made, begin = time.perf_counter() - begin, time.perf_counter()
    fit = fit_attributor(material.generator, material.negatives, material.settings)
    fitted, begin = time.perf_counter() - begin, time.perf_counter()
    attributor = fit.attributor

    def ours(samples: Tensor) -> NDArray[np.float64]:
        chunks = [attributor.score(x, material.step).score for x in torch.split(samples, BATCH)]
        return np.concatenate(chunks)

    own = ours(material.own_test)
    seconds = (time.perf_counter() - begin) / len(own)
    tables = {
        "ours": _table(own, ours, material, attributor.calibration.threshold),
    }
    memory = _peak_mb()
    for view, look in VIEWS.items():
        if view == "dctpad" and len(material.generator.sample_shape) != 3:
            continue
        row = _baseline(material, look)
        tables[view] = _table(row.score(material.own_test), row.score, material, row.threshold)
    return {
        "title": material.title,
        "note": material.note,
        "seed": seed,
        "budget": budget,
        "shape": list(material.generator.sample_shape),
        "layer": material.generator.layer.kind,
        "sizes": {
            "own training": material.settings.own_train,
            "own calibration": material.settings.own_calibration,
            "own test": len(own),
            **{f"negatives {k}": len(v) for k, v in material.negatives.items()},
            **{f"test {k}": len(v) for k, v in material.tests.items()},
        },
        "unseen": list(material.unseen),
        "methods": tables,
        "unconverged": round(fit.unconverged, 4),
        "seconds_per_sample": round(seconds, 5),
        "peak_mb": memory,
        "material_s": round(made, 1),
        "fit_s": round(fitted, 1),
        "extra": dict(material.extra(attributor)) if material.extra else {},
    }


def _baseline(material: Material, view: Callable[[Tensor], Tensor]) -> Fitted:
    """DeepSAD on a view of the same own samples and of all negatives given."""
    settings = material.settings
    own = draw_own(material.generator, settings)
    foreign = torch.cat([source.images for source in material.negatives.values()])
    return deepsad_row(
        view, own.training, own.calibration, foreign, settings.detector, settings.seed
    )  # fmt: skip


def _table(
    own: NDArray[np.float64],
    score: Callable[[Tensor], NDArray[np.float64]],
    material: Material,
    threshold: float,
) -> dict[str, dict[str, Any]]:
    """Columns of each test set and of "all" pooled."""
    foreign = {name: score(samples) for name, samples in material.tests.items()}
    every: Mapping[str, NDArray[np.float64]] = {
        **foreign, "all": np.concatenate(list(foreign.values()))
    }  # fmt: skip
    table = {}
    for name, scores in every.items():
        found: dict[str, Any] = columns(own, scores, threshold)
        hits, refused = int((own <= threshold).sum()), int((scores > threshold).sum())
        found["accuracy_95"] = accuracy_interval(hits, len(own), refused, len(scores))
        found["auc_95"] = auc_interval(found["auc"], len(own), len(scores))
        kept = ("accuracy", "accuracy_95", "auc", "auc_95", "fnr", "fpr")
        table[name] = {key: found[key] for key in kept}
    return table


def _peak_mb() -> int:
    """Of this process since its start, in MiB (Linux counts in KiB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10))


def main() -> None:
    """`python -m benchmarks.domains_frame.measure NAME BUDGET SEED` prints the row as JSON."""
    import json

    name, budget, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    sys.stdout.write(json.dumps(measure(name, budget, seed)) + "\n")


if __name__ == "__main__":
    main()
