"""How near may a relative be? Fine-tunes of few steps against the version that they stem from.

    python -m benchmarks.zoo.train          # once
    python -m benchmarks.quality_limit      # quality_limit.json

One zoo target (the development one), fitted as a first version (real images are the only foreign
ones) and with two siblings seen; each fine-tune is trained on the spot and in neither fit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.quality_parts.material import Sizes, load_target
from benchmarks.quality_parts.measures import columns
from benchmarks.quality_parts.rows import METHODS
from benchmarks.zoo.data import fashion
from benchmarks.zoo.train import cache_folder, load
from benchmarks.zoo.training import train
from flipad_ops.generators import split_generator

STEPS = (1, 3, 10, 30, 100)
COUNT, SEED = 150, 300


def main() -> None:
    """Fit, fine-tune, score, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--zoo", type=Path, help="where the zoo's checkpoints lie")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    zoo = cache_folder(options.zoo)
    target = load_target(0, zoo, Sizes())
    metadata = {"latent": target.generator.latent.to_dict()}
    tuned = {}
    for steps in STEPS:
        network = train("dcgan", fashion("generators"), steps, SEED, load("dcgan-0", zoo))
        split = split_generator(network.eval(), metadata, name="tuned", version="1")
        change = (split.layer.weight - target.generator.layer.weight).norm()
        tuned[steps] = (
            split.sample(COUNT, SEED),
            float(change / target.generator.layer.weight.norm()),
        )
    rows: list[dict[str, Any]] = []
    for name in ("ours", "ours+"):
        fitted = METHODS[name].fit(target, zoo / "inversions")
        own = fitted.score(target.own_test)
        for steps, (images, change) in tuned.items():
            record = columns(own, fitted.score(images), fitted.threshold)
            rows.append(
                {
                    "method": METHODS[name].label,
                    "steps": steps,
                    "change_of_final_layer": round(change, 5),
                    "accuracy": round(record["accuracy"], 4),
                    "auc": round(record["auc"], 4),
                }
            )
            sys.stderr.write(f"{rows[-1]}\n")
    result = {
        "command": "python -m benchmarks.quality_limit",
        "own_test": len(target.own_test), "each_fine_tune": COUNT, "target": 0, "rows": rows,
    }  # fmt: skip
    write_json(options.out / "quality_limit.json", result)


if __name__ == "__main__":
    main()
