"""What the second witness costs a scan of images that are nobody's."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.regeneration_parts.field import Field, Row, fit_folder, said
from benchmarks.regeneration_parts.photographs import origins, patches
from benchmarks.regeneration_parts.zoo_section import zoo_target
from flipad_ops.generators import SplitGenerator, quantise
from flipad_ops.registry.scorers import from_folder
from flipad_ops.samples.png import save_png
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target

SECTION, SIZE = "cost", 32
FILES, PAIRS, SEED = 3000, 3, 9


def cost(field: Field) -> Iterator[Row]:
    """Grey patches of photographs, scanned with and without the second witness in turn."""
    target, _ = zoo_target(field, 0)
    attributor = fit_folder(field, "dcgan-0")
    names = sorted({*origins("fit"), *origins("unseen")})
    count = field.count(FILES, 20)
    with tempfile.TemporaryDirectory() as folder:
        written = write_patches(Path(folder), count)
        seconds: list[tuple[float, float]] = []
        for pair in range(PAIRS):
            order = (None, target.generator) if pair % 2 else (target.generator, None)
            both = {generator is None: scanned(Path(folder), attributor, generator)
                    for generator in order}  # fmt: skip
            with_it, without = both[False], both[True]
            seconds.append((with_it[0], without[0]))
            said(f"cost: {with_it[0]:.1f} and {without[0]:.1f} CPU s")
    yield {
        "section": SECTION, "target": "dcgan-0", "how": "scan", "kind": "photographs",
        "images": written, "origins": len(names), "attributed": with_it[1],
        "without_second": without[1],
        "cpu_s": [[round(s, 2) for s in pair] for pair in seconds],
        "ratio": round(statistics.median(a / b for a, b in seconds), 3),
    }  # fmt: skip


def write_patches(folder: Path, count: int) -> int:
    """So many grey PNG files, a folder's worth of other people's pictures."""
    each = {part: -(-count // (2 * len(origins(part)))) for part in ("fit", "unseen")}
    number = 0
    for part in ("fit", "unseen"):
        images, _ = patches(SIZE, each[part], SEED, "fit" if part == "fit" else "unseen")
        for image in quantise(images.mean(dim=1, keepdim=True))[: count - number]:
            save_png(image, folder / f"{number:06d}.png")
            number += 1
    return number


def scanned(folder: Path, attributor: Path, generator: SplitGenerator | None) -> tuple[float, int]:
    """CPU seconds of one scan in this process, and how many images it attributes."""
    scorer = from_folder(attributor, "cpu")
    if generator is not None:
        scorer.attributor.bring(generator)
    plan = ScanPlan([open_target(str(folder))], workers=0)
    begun = time.process_time()
    outcome = run_scan(plan, [scorer])
    spent = time.process_time() - begun
    scores = (finding.row.score for finding in outcome.findings)
    return spent, sum(score is not None and score <= scorer.threshold for score in scores)
