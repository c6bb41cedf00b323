"""What a fit's time buys: accuracy against CPU seconds, from nothing, for one zoo target.

    python -m benchmarks.zoo.train          # once
    python -m benchmarks.quality_time       # quality_time.json and quality_time.svg

Nothing is remembered between points, so that seconds are those a user pays on one core. The target
is the development one; accuracy is that of a first version (real images are the only foreign ones).
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.frame.figures import drawn
from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.quality_parts.material import Sizes, Target, load_target
from benchmarks.quality_parts.measures import columns
from benchmarks.quality_parts.summary import ARCHITECTURE_ROWS, VERSION_ROWS, row_of
from benchmarks.zoo.train import cache_folder
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import DeepSadSettings

#: A fit should take no longer, on two cores.
BUDGET_S = 600
SIZES = Sizes(own_test=200, foreign_test=40)


@dataclass(frozen=True)
class Point:
    """One way to fit."""

    label: str
    recipe: str = "default"
    epochs: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)

    def settings(self, seed: int) -> FitSettings:
        """Its settings."""
        settings = recipe(self.recipe, seed=seed, **self.overrides)
        if self.epochs is None:
            return settings
        return replace(settings, detector=DeepSadSettings(epochs=self.epochs))


def _smaller(own: int, foreign: int, null: int, epochs: int) -> Point:
    overrides = {
        "own_train": own, "own_calibration": own // 2, "own_test": 24, "max_negatives": foreign,
        "more_null": null,
    }  # fmt: skip
    return Point(f"{own} own, {epochs} epochs", "default", epochs, overrides)


POINTS = (
    Point("fast", "fast"),
    _smaller(800, 800, 800, 8),
    Point("default"),
    _smaller(1600, 2000, 2000, 8),
    _smaller(400, 400, 200, 8),
)


def measure(point: Point, target: Target) -> dict[str, Any]:
    """Fit from nothing, then score held-out images."""
    foreign = {"real": ForeignImages(torch.cat([target.real_negatives, target.real_null]))}
    begin = time.process_time()
    fitted = fit_attributor(target.generator, foreign, point.settings(target.seed))
    seconds = time.process_time() - begin
    attributor = fitted.attributor
    own = attributor.score(target.own_test).score
    rows: dict[str, list[float]] = {}
    for test, images in target.tests.items():
        record = columns(own, attributor.score(images).score, attributor.calibration.threshold)
        rows.setdefault(row_of(test), []).append(record["accuracy"])
    return {
        "label": point.label,
        "fit_cpu_s": round(seconds, 1),
        "stages_s": {stage: round(spent, 1) for stage, spent in fitted.timings.items()},
        "accuracy": {row: round(float(np.mean(values)), 4) for row, values in rows.items()},
    }


def write_plot(points: list[dict[str, Any]], path: Path) -> None:
    """Mean and least accuracy over rows against seconds."""
    shown = (*ARCHITECTURE_ROWS, *VERSION_ROWS)
    with drawn(path, "quality", figsize=(7, 4)) as axes:
        for point in points:
            values = [100 * point["accuracy"][row] for row in shown]
            axes.plot([point["fit_cpu_s"]] * 2, [min(values), np.mean(values)], "k-", lw=0.6)
            axes.plot(point["fit_cpu_s"], np.mean(values), "o", label=point["label"])
            axes.plot(point["fit_cpu_s"], min(values), "kv", ms=4)
        axes.axvline(BUDGET_S, color="grey", ls=":", label="goal for a fit: 10 minutes")
        axes.set(xlabel="CPU seconds of a fit from nothing", ylim=(45, 101))
        axes.set_ylabel("accuracy at 0.5% FNR, %\n(mean of rows; triangle: least row)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")


def asked(doc: str) -> tuple[argparse.Namespace, Target]:
    """Options (target, zoo, out) of a benchmark that `doc` describes, and the zoo's target; from
    now on torch has one thread."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--target", type=int, default=0, help="seed of the zoo's DCGAN")
    parser.add_argument("--zoo", type=Path, help="where the zoo's checkpoints lie")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    target = load_target(options.target, cache_folder(options.zoo), SIZES)
    return options, target


def main() -> None:
    """Run all points and write."""
    options, target = asked(__doc__ or "")
    points: list[dict[str, Any]] = []
    for point in POINTS:
        points.append(measure(point, target))
        sys.stderr.write(f"{points[-1]}\n")
        result = {
            "machine": machine(),
            "command": "python -m benchmarks.quality_time",
            "target": options.target,
            "sizes": {"own_test": SIZES.own_test, "foreign_test_each": SIZES.foreign_test},
            "tests": {test: row_of(test) for test in target.tests},
            "points": points,
        }
        write_json(options.out / "quality_time.json", result)
        write_plot(points, options.out / "quality_time.svg")


if __name__ == "__main__":
    main()
