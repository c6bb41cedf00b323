"""The tabular rows of the benchmark: one function, whatever the real table."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._kept import kept
from benchmarks.domains_parts._sizes import scaled, settings
from benchmarks.domains_parts._tables import (
    LATENT,
    TableGenerator,
    columns_of,
    train_gan,
    train_vae,
)
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import DeepSadSettings
from flipad_ops.generators import SplitGenerator, split_generator

GAN_STEPS, VAE_STEPS = 1500, 1500
_NEGATIVES, _TESTS = 70_707, 80_808


def table_material(title: str, bunch: Any, budget: float, seed: int) -> Material:
    """A GAN on half of a scikit-learn table; negatives are real rows and a VAE's."""
    values = np.asarray(bunch.data, dtype=np.float64)
    names = [str(name) for name in bunch.feature_names]
    columns = columns_of(names, values)
    order = np.random.default_rng(seed).permutation(len(values))
    rows = torch.from_numpy(columns.to_pixels(values))[torch.from_numpy(order)]
    third = len(rows) // 3
    learned, seen, held_out = rows[:third], rows[third : 2 * third], rows[2 * third :]
    metadata = {"latent": {"shape": [LATENT]}, "columns": columns.to_list()}

    def made(kind: Any, number: int, steps: int) -> SplitGenerator:
        called = f"{kind.__name__}-{len(columns)}x{third}-{steps}-{100 * seed + number}"
        module = kept(
            called, lambda: TableGenerator(len(columns)),
            lambda: kind(learned, steps, 100 * seed + number),
        )  # fmt: skip
        return split_generator(module, metadata, name=title)

    generator = made(train_gan, 0, GAN_STEPS)
    count = scaled(300, budget)
    return Material(
        title=title,
        generator=generator,
        negatives={
            "real": ForeignImages(seen),
            "vae": ForeignImages(
                made(train_vae, 1, VAE_STEPS).sample(scaled(1500, budget), _NEGATIVES)
            ),
            "gan, sibling": ForeignImages(
                made(train_gan, 2, GAN_STEPS).sample(scaled(1500, budget), _NEGATIVES), sibling=True
            ),
        },
        own_test=generator.sample(scaled(500, budget), OWN_TEST_SEED + seed),
        tests={
            "real": held_out,
            "vae": made(train_vae, 3, VAE_STEPS).sample(count, _TESTS),
            "gan, other seed": made(train_gan, 4, GAN_STEPS).sample(count, _TESTS),
        },
        unseen=("vae", "gan, other seed"),
        settings=settings(
            budget, seed, own_train=scaled(4000, budget), channels=100,
            detector=DeepSadSettings(dim=32, epochs=30, batch_size=128, learning_rate=1e-3),
            max_negatives=4000,
        ),
        note=f"{len(columns)} columns with their own decimals, GAN of {GAN_STEPS} steps on a third "
        f"of {len(rows)} real rows, the second third are negatives, the last is tested.",
    )  # fmt: skip
