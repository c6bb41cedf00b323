"""What several attributors of one inversion problem cost a scan, sharing inversions and not.

    python -m benchmarks.scan_sharing

Four attributors of one barely trained DCGAN (32x32), fitted against different negatives with one
seed, so that anchor and inversion settings agree. Scanned is a set of own images (each needs an
inversion) and a mixed one with photo patches, which the screen rules out for the most part.
Figures are CPU seconds of `run_scan` in one thread, decoding included, images in memory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.results import RESULTS, write_json
from flipad_ops.storage import Content, Item, Target

SIZE, IMAGES, REPEATS = 32, 128, 3


class Memory(Target):
    """Encoded images as a scan target."""

    uri, concurrency = "memory", 1

    def __init__(self, images: torch.Tensor) -> None:
        from flipad_ops.samples.png import encode_png

        self.objects = {f"{i:04d}.png": encode_png(image) for i, image in enumerate(images)}

    def list(self) -> Iterator[Item]:
        """In order."""
        for key, data in self.objects.items():
            yield Item(key, len(data), 0.0, "")

    def read(self, item: Item, max_bytes: int) -> Content:
        """From memory."""
        return Content(self.objects[item.key], "")


class Alone:
    """A scorer that keeps its inversions to itself."""

    def __init__(self, scorer: Any) -> None:
        for name in ("name", "version", "space", "threshold", "p_floor", "card", "score"):
            setattr(self, name, getattr(scorer, name))


def main() -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    scorers, own, photos = attributors()
    sets = {"own": own, "mixed": torch.cat([own[: IMAGES // 4], photos[: IMAGES * 3 // 4]])}
    figures: dict[str, Any] = {"images": IMAGES, "repeats": REPEATS}
    for name, images in sets.items():
        target = Memory(images)
        for count in (1, 2, 4):
            ways = {
                "sharing": scorers[:count],
                "apart": [Alone(scorer) for scorer in scorers[:count]],
            }
            runs: dict[str, list[tuple[float, int]]] = {way: [] for way in ways}
            for _ in range(REPEATS):
                for way, chosen in ways.items():
                    runs[way].append(measure(target, chosen))
            for way, measured in runs.items():
                key = f"{name}_{count}_{way}"
                figures[f"{key}_cpu_seconds"] = statistics.median(s for s, _ in measured)
                figures[f"{key}_inversions"] = measured[0][1]
    print(write_json(RESULTS / "scan_sharing.json", {"summary": figures}, indent=2))


def measure(target: Memory, scorers: Sequence[Any]) -> tuple[float, int]:
    """CPU seconds and images inverted of one scan."""
    from flipad_ops.inversion import FinalLayerInverter
    from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan

    inverted, plain = [0], FinalLayerInverter.invert

    def counting(self: Any, pixels: torch.Tensor, *rest: Any) -> Any:
        inverted[0] += len(pixels)
        return plain(self, pixels, *rest)

    FinalLayerInverter.invert = counting  # type: ignore[method-assign]
    try:
        began = time.process_time()
        run_scan(ScanPlan([target], workers=0), scorers)
        return time.process_time() - began, inverted[0]
    finally:
        FinalLayerInverter.invert = plain  # type: ignore[method-assign]


def attributors() -> tuple[list[Any], torch.Tensor, torch.Tensor]:
    """Four scorers, own images and photo patches."""
    import tempfile
    from dataclasses import replace

    from flipad_ops.attribution.fit_settings import recipe
    from flipad_ops.attribution.fitting import fit_attributor
    from flipad_ops.attribution.foreign_images import ForeignImages
    from flipad_ops.attribution.serialisation import save_attributor
    from flipad_ops.demo.gan import LATENT, train_gan
    from flipad_ops.demo.photos import photo_patches
    from flipad_ops.generators import split_generator
    from flipad_ops.inversion import InversionSettings
    from flipad_ops.registry.scorers import from_folder

    gan = train_gan(photo_patches("generator", 400, SIZE), steps=30, seed=0)
    metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
    generator = split_generator(gan, metadata, name="bench", version="1")
    sizes = {"own_train": 150, "own_calibration": 100, "own_test": 40, "anchor_samples": 200}
    # Few iterations: a generator that has learnt little is slow to invert.
    inversion = InversionSettings(max_iterations=60, tolerance=5e-2)
    settings = recipe("fast", max_negatives=200, inversion=inversion, **sizes)
    scorers = []
    for number in range(4):
        foreign = {"photos": ForeignImages(photo_patches("negatives", 200, SIZE, number))}
        fitted = fit_attributor(generator, foreign, settings).attributor
        named = replace(fitted, generator={**fitted.generator, "name": f"bench{number}"})
        with tempfile.TemporaryDirectory() as folder:
            save_attributor(named, Path(folder, "a"))
            scorers.append(from_folder(Path(folder, "a"), "cpu"))
    assert len({scorer.inversion_key for scorer in scorers}) == 1
    return scorers, generator.sample(IMAGES, seed=99), photo_patches("scan", IMAGES, SIZE)


if __name__ == "__main__":
    main()
