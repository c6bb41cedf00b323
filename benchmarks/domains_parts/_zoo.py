"""Members of the zoo (Fashion-MNIST, 32x32): cached ones are used, others trained and kept."""

from __future__ import annotations

from safetensors.torch import save_file

from benchmarks.zoo.train import cache_folder, load_split, make, members
from flipad_ops.generators import SplitGenerator


def member(name: str) -> SplitGenerator:
    """The zoo's `name`, split by the product's own code."""
    folder = cache_folder()
    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        network = make(members()[name], folder, 1.0)
        save_file(network.state_dict(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    return load_split(name, folder)
