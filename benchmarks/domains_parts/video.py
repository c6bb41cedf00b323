"""Frames of clips: walks through a DCGAN's latent space; the clip is what is to be decided."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmarks.domains_frame.material import Material
from benchmarks.domains_parts._sizes import scaled, settings
from benchmarks.domains_parts._zoo import member
from benchmarks.zoo.data import fashion
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.detection import Rate
from flipad_ops.generators import SplitGenerator
from flipad_ops.scanning.decisions.groups import prefix_tests
from flipad_ops.scanning.decisions.rules import benjamini_hochberg

FRAMES, FDR = 16, 0.01
_OWN, _SIBLING, _OTHER = 11_000, 12_000, 13_000


def clips(generator: SplitGenerator, count: int, seed: int) -> Tensor:
    """(count * FRAMES, 1, height, width): each clip moves between two latents of usual length."""
    source = torch.Generator().manual_seed(seed)
    shape = generator.latent.shape
    ends = torch.randn(count, 2, *shape, generator=source)
    share = torch.linspace(0, 1, FRAMES)[None, :, None, None, None]
    path = (ends[:, :1] * (1 - share) + ends[:, 1:] * share).flatten(0, 1)
    length = path.flatten(1).norm(dim=1)[:, None, None, None]
    path = path / length * float(np.sqrt(np.prod(shape)))
    return generator.grid.round(generator.output_map.to_pixels(generator.run(path)[0]))


def material(budget: float, seed: int) -> Material:
    """DCGAN 1; foreign clips of another seed and of a WGAN-GP, and stills."""
    generator, count = member("dcgan-1"), max(6, round(20 * budget))
    own = clips(generator, count, _OWN + seed)
    tests = {
        "dcgan-4": clips(member("dcgan-4"), count, _SIBLING + seed),
        "wgan-gp-1": clips(member("wgan-gp-1"), count, _OTHER + seed),
    }

    def decided(attributor: Attributor) -> Mapping[str, str]:
        return {
            name: _clip_figures(attributor, frames)
            for name, frames in {"own clips": own, **{f"clips of {k}": v for k, v in tests.items()}}
            .items()
        }  # fmt: skip

    return Material(
        title="Video frames: DCGAN",
        generator=generator,
        negatives={
            "real": ForeignImages(fashion("negatives")[: scaled(1200, budget)]),
            "dcgan-2": ForeignImages(
                member("dcgan-2").sample(scaled(400, budget), _OTHER), sibling=True
            ),
        },
        own_test=own,
        tests=tests,
        unseen=tuple(tests),
        settings=settings(budget, seed),
        note=f"{count} clips of {FRAMES} frames each from every generator, walks between two "
        "latents; frames of one clip are alike, so the intervals of single frames are too narrow.",
        extra=decided,
    )


def _clip_figures(attributor: Attributor, frames: Tensor) -> str:
    """How many clips, and how many single frames, are significant at FDR."""
    chunks = [attributor.score(part) for part in torch.split(frames, 32)]
    attributed = np.concatenate([chunk.attributed for chunk in chunks])
    p = np.concatenate([chunk.p for chunk in chunks])
    leaks = attributed & (benjamini_hochberg(p) <= FDR)
    bounds = [part["fpr"]["high"] for part in attributor.evaluation["strata"].values()]
    judged = [(f"{n // FRAMES}/{n}", bool(a), bool(b)) for n, (a, b)
              in enumerate(zip(attributed, leaks, strict=True))]  # fmt: skip
    tests = prefix_tests(judged, max([*bounds, attributor.calibration.floor]))
    found = Rate.of(sum(test.q <= FDR for test in tests), len(tests))
    return (
        f"{round(found.value * found.count)} of {found.count} clips found at FDR {FDR:g} "
        f"({100 * found.low:.1f}% to {100 * found.high:.1f}%); "
        f"{int(leaks.sum())} of {len(leaks)} frames are significant one by one"
    )
