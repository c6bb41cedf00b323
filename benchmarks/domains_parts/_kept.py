"""Generators that rows train on patches of photographs, kept in the zoo's cache folder."""

from __future__ import annotations

from collections.abc import Callable

from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.zoo.train import cache_folder
from flipad_ops.demo.gan import Generator as Dcgan
from flipad_ops.demo.gan import train_gan
from flipad_ops.demo.photos import photo_patches
from flipad_ops.generators import SplitGenerator, split_generator

#: Patches that generators learn from; steps of the DCGAN that rows are tested against.
PATCHES, DCGAN_STEPS = 2048, 200


def kept(name: str, build: Callable[[], nn.Module], train: Callable[[], nn.Module]) -> nn.Module:
    """`train()`, or what it gave before; `name` tells steps and seed."""
    folder = cache_folder() / "domains"
    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        save_file(train().state_dict(), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
    module = build()
    module.load_state_dict(load_file(path))
    return module.eval()


def photo_dcgan() -> SplitGenerator:
    """A DCGAN of other architecture on the same photographs, 32x32 RGB."""
    patches = photo_patches("generator", PATCHES)
    module = kept(
        f"photo-dcgan-{DCGAN_STEPS}", lambda: Dcgan(32, 3, 16),
        lambda: train_gan(patches, steps=DCGAN_STEPS, seed=7, width=16),
    )  # fmt: skip
    return split_generator(module, {"latent": {"shape": [64, 1, 1]}})
