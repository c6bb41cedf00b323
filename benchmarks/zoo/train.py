"""Train the zoo: five architectures, three seeds and more, fine-tunes and distilled copies.

    python -m benchmarks.zoo.train                  # everything that is not cached yet
    python -m benchmarks.zoo.train --budget 0.1     # a tenth of the steps, for a look

Checkpoints go to --cache (default: $FLIPAD_ZOO, else the user's cache folder), one folder per
budget; hashes go to benchmarks/zoo/hashes.json when the budget is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.zoo.data import fashion
from benchmarks.zoo.networks import ARCHITECTURES, LATENT
from benchmarks.zoo.training import train
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.generators.layer import state_sha256

HASHES = Path(__file__).with_name("hashes.json")
#: Training steps of a DCGAN, of everything else trained from scratch, and of a fine-tune.
STEPS, OTHER_STEPS, FINE_TUNE_STEPS = 1000, 600, 200
#: Samples of the victim that a distilled copy learns from.
STOLEN = 10_000


@dataclass(frozen=True)
class Recipe:
    """How a zoo member comes to be: `source` is fine-tuned, or its samples are learned."""

    kind: str
    seed: int
    how: str = "scratch"
    source: str = ""


def members() -> dict[str, Recipe]:
    """Every zoo member by name, those it depends on first, the most needed first."""
    zoo = {f"dcgan-{seed}": Recipe("dcgan", seed) for seed in range(5)}
    for seed in range(3):
        source = f"dcgan-{seed}"
        zoo |= {f"{kind}-{seed}": Recipe(kind, seed) for kind in ARCHITECTURES}
        zoo[f"dcgan-{seed}-tuned"] = Recipe("dcgan", 100 + seed, "tune", source)
        zoo[f"dcgan-{seed}-distilled"] = Recipe("dcgan", 200 + seed, "distil", source)
    return zoo


def cache_folder(chosen: Path | None = None, budget: float = 1.0) -> Path:
    """Where checkpoints lie."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flipad-zoo"
    return (chosen or Path(os.environ.get("FLIPAD_ZOO", default))) / f"budget-{budget:g}"


def load(name: str, folder: Path) -> nn.Module:
    """A trained member, in evaluation mode."""
    network = ARCHITECTURES[members()[name].kind]()
    network.load_state_dict(load_file(folder / f"{name}.safetensors"))
    return network.eval()


def load_split(name: str, folder: Path) -> SplitGenerator:
    """A trained member, split by the product's own code."""
    metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
    return split_generator(load(name, folder), metadata, name=name, version="1")


def make(recipe: Recipe, folder: Path, budget: float) -> nn.Module:
    """Train one member."""
    full = STEPS if recipe.how == "scratch" and recipe.kind == "dcgan" else OTHER_STEPS
    steps = max(1, round((FINE_TUNE_STEPS if recipe.how == "tune" else full) * budget))
    if recipe.how == "scratch":
        return train(recipe.kind, fashion("generators"), steps, recipe.seed)
    if recipe.how == "tune":
        start = load(recipe.source, folder)
        return train(recipe.kind, fashion("generators"), steps, recipe.seed, start)
    count = max(100, round(STOLEN * min(1.0, budget)))
    images = load_split(recipe.source, folder).sample(count, 7_000 + recipe.seed)
    return train(recipe.kind, images, steps, recipe.seed)


def build(folder: Path, budget: float, only: Mapping[str, Recipe] | None = None) -> dict[str, str]:
    """Train what is missing; the hash of every member."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for name, recipe in (only or members()).items():
        path = folder / f"{name}.safetensors"
        if not path.exists():
            begin = time.perf_counter()
            network = make(recipe, folder, budget)
            part = path.with_suffix(".part")
            save_file(network.state_dict(), part)
            part.replace(path)
            sys.stderr.write(f"{name}: {time.perf_counter() - begin:.0f} s\n")
        hashes[name] = state_sha256(load_file(path))
    return hashes


def main() -> None:
    """Train and record hashes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=1.0, help="share of the training steps")
    parser.add_argument("--cache", type=Path, help="where checkpoints go")
    options = parser.parse_args()
    torch.set_num_threads(1)  # as many threads everywhere, so that hashes can agree
    hashes = build(cache_folder(options.cache, options.budget), options.budget)
    if options.budget == 1:
        HASHES.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
        sys.stderr.write(f"wrote {HASHES}\n")


if __name__ == "__main__":
    main()
