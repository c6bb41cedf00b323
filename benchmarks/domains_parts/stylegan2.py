"""StyleGAN2 with output skips, which the paper left out: joint inversion of W and U.

The ablation inverts W alone, as if the skip image were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from benchmarks.domains_frame.material import OWN_TEST_SEED, Material
from benchmarks.domains_parts._kept import PATCHES, kept, photo_dcgan
from benchmarks.domains_parts._sizes import scaled, settings
from benchmarks.domains_parts._stylegan2 import LATENT, Generator, train_stylegan2
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.demo.photos import photo_patches
from flipad_ops.detection import DeepSad, auc
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.inversion import InversionSettings

STEPS, WIDTH = 200, 8
#: When the late fork leaves, and for how many steps the copy is fine-tuned.
LATE, TUNED = 160, 20
_NEGATIVES, _TESTS = 70_707, 80_808


def trained(seed: int, steps: int = STEPS, fork: int = 0) -> Generator:
    """One seed's generator, 32x32 RGB."""
    patches = photo_patches("generator", PATCHES)
    module = kept(
        f"stylegan2-{steps}-{seed}" + f"-{fork}" * bool(fork), lambda: Generator(3, 32, WIDTH),
        lambda: train_stylegan2(patches, steps=steps, seed=seed, width=WIDTH, fork=fork),
    )  # fmt: skip
    assert isinstance(module, Generator)
    return module


def version(seed: int, steps: int = STEPS, fork: int = 0) -> SplitGenerator:
    """The same, split."""
    return split_generator(trained(seed, steps, fork), {"latent": {"shape": [LATENT]}})


def relatives() -> dict[str, SplitGenerator]:
    """What is nearest to seed 0: its weights with few of them changed."""
    other, skipped = trained(0), trained(0)
    other.levels[-1].rgb.load_state_dict(trained(2).levels[-1].rgb.state_dict())  # type: ignore[union-attr, arg-type]
    for ours, theirs in zip(skipped.levels[:-1], trained(2).levels[:-1], strict=True):
        ours.rgb.load_state_dict(theirs.rgb.state_dict())  # type: ignore[union-attr, arg-type]
    latent = {"latent": {"shape": [LATENT]}}
    return {
        "late fork": version(0, fork=LATE),
        "fine-tuned copy": version(0, STEPS + TUNED),
        "other last toRGB": split_generator(other, latent),
        "other skip": split_generator(skipped, latent),
    }


def without_skip(generator: SplitGenerator) -> SplitGenerator:
    """The same generator as an inversion sees it that knows nothing of the skip image."""
    assert generator.reading is not None
    layer = generator.layer.alone()
    return replace(generator, layer=layer, reading=replace(generator.reading, layer=layer))


def material(budget: float, seed: int) -> Material:
    """Seed 0 against photographs, another seed that it has seen, one that it has not, a DCGAN."""
    generator, sibling = version(0), version(1)
    count = scaled(150, budget)
    negatives = {
        "photographs": ForeignImages(
            photo_patches("negatives", scaled(600, budget), seed=_NEGATIVES + seed)
        ),
        "version 2": ForeignImages(
            sibling.sample(scaled(400, budget), _NEGATIVES + seed), sibling=True
        ),
    }
    tests = {
        "photographs": photo_patches("scan", count, seed=_TESTS + seed),
        "version 2": sibling.sample(count, _TESTS + seed),
        "version 3": version(2).sample(count, _TESTS + seed),
        "dcgan": photo_dcgan().sample(count, _TESTS + seed),
    }
    nearest = {name: near.sample(count, _TESTS + seed) for name, near in relatives().items()}
    tests |= nearest
    chosen = settings(
        budget, seed, own_train=scaled(500, budget), own_calibration=scaled(400, budget),
        second_moments=False, near_misses=0.0, recompressed=0.0,
        inversion=InversionSettings(alpha=5e-2, tolerance=0.1),
    )  # fmt: skip
    own_test = generator.sample(scaled(200, budget), OWN_TEST_SEED + seed)

    def ablation(ours: Attributor) -> Mapping[str, str]:
        fitted = fit_attributor(without_skip(generator), negatives, chosen).attributor
        found = {}
        for label, attributor in (("joint inversion", ours), ("W alone", fitted)):
            own = attributor.score(own_test).score
            scores = {name: attributor.score(images).score for name, images in tests.items()}
            scores["all"] = np.concatenate(list(scores.values()))
            threshold = attributor.calibration.threshold
            kept = (own <= threshold).mean()
            found[f"AUC, accuracy with {label}"] = ", ".join(
                f"{name} {auc(own, each):.3f}, {50 * (kept + (each > threshold).mean()):.1f}%"
                for name, each in scores.items()
            )
            deepsad = [_deepsad(attributor, images) for images in (own_test, *tests.values())]
            found[f"AUC of DeepSAD on the activation, {label}"] = ", ".join(
                f"{name} {auc(deepsad[0], each):.3f}"
                for name, each in zip(tests, deepsad[1:], strict=True)
            )
        return found

    return Material(
        title="StyleGAN2 with output skips",
        generator=generator,
        negatives=negatives,
        own_test=own_test,
        tests=tests,
        unseen=("version 3", "dcgan", *nearest),
        settings=chosen,
        note=f"RGB, 32x32, {STEPS} steps of {PATCHES} patches of two photographs; toRGB 1x1 from "
        f"{WIDTH} modulated channels, FIR 1,3,3,1. Statistics without second moments: few own "
        f"samples. The late fork shares {LATE} steps, the fine-tuned copy has {TUNED} more; the "
        "last two are seed 0 with weights of version 3 in the last toRGB, or in all others.",
        extra=ablation,
    )


def _deepsad(attributor: Attributor, images: torch.Tensor) -> np.ndarray:
    """Scores (n,) of the view that sees nothing but the activation."""
    view = attributor.detector.parts[0].named["deepsad"]
    assert isinstance(view, DeepSad)
    z = attributor.invert(images).z
    with torch.no_grad():
        return view.distance(attributor.features(z)).double().numpy()
