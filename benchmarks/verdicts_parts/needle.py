"""One own image among very many foreign ones, few among few, relatives out of JPEG files.

DCGAN 0 of the zoo with both witnesses, as the benchmark of regeneration keeps it; foreign files are
grey patches of photographs, decided at the product's defaults by the product's own scan.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.regeneration_parts.alterations import altered
from benchmarks.regeneration_parts.cost_section import SIZE, write_patches
from benchmarks.regeneration_parts.field import Field, fit_folder
from benchmarks.regeneration_parts.photographs import patches
from benchmarks.regeneration_parts.zoo_section import zoo_target
from benchmarks.zoo.train import load_split
from flipad_ops.common.exit_codes import FINDINGS
from flipad_ops.generators import SplitGenerator, quantise
from flipad_ops.registry.scorers import from_folder
from flipad_ops.samples.png import save_png
from flipad_ops.scanning.decisions.family import Family
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target

Row = dict[str, Any]
SECTION, SEED = "needle", 2026
FILES, NEEDLES, TIMES = 20_000, 20, 5
OWN = "own"


def rows(field: Field, files: int = FILES) -> Iterator[Row]:
    """The real scan and what a scan of TIMES as many would decide; five among 24; siblings."""
    target, _ = zoo_target(field, 0)
    attributor, generator = fit_folder(field, "dcgan-0"), target.generator
    own = generator.sample(NEEDLES, SEED)
    with tempfile.TemporaryDirectory() as folder:
        count = write_patches(Path(folder), files)
        write(own, Path(folder), OWN)
        outcome = scanned(Path(folder), attributor, generator)
        yield {"how": "as scanned", "files": count, **searched(outcome, 1)}
        yield {"how": "simulated", "files": TIMES * count, **searched(outcome, TIMES)}
    photographs = patches(SIZE, 1, SEED, "unseen", limit=24)[0].mean(dim=1, keepdim=True)
    yield {"how": "5 among 24", **decided(
        {OWN: own[:5], "foreign": quantise(photographs)}, attributor, generator)}  # fmt: skip
    siblings = torch.cat([load_split(f"dcgan-{n}", field.zoo).sample(60, SEED) for n in (3, 4)])
    for how in ("as made", "JPEG 90", "JPEG 50"):
        sets = {"foreign": altered(siblings, how), OWN: altered(own, how)}
        yield {"how": f"siblings, {how}", **decided(sets, attributor, generator)}


def searched(outcome: ScanOutcome, times: int) -> Row:
    """Each own image by itself among all foreign ones, these so many times over: p-values of
    foreign contents are resampled, as there are not that many photographs here."""
    found = [finding.row for finding in outcome.findings]
    own = [row for row in found if row.key.startswith(OWN)]
    foreign = [row for row in found if not row.key.startswith(OWN)]
    p = np.tile([float(row.p or 1.0) for row in foreign], times)
    leaks, gated, false = 0, 0, 0
    for row in own:
        cut = Family({"a": np.append(p, float(row.p or 1.0))}, outcome.request.fdr).cut
        leak = bool(row.attributed) and float(row.p or 1.0) <= cut
        leaks += leak
        gated += leak or accepted(row)
        false = max(false, sum(bool(r.attributed) and float(r.p or 1.0) <= cut for r in foreign))
    return {
        "own": len(own), "leaks": leaks, "gated": gated, "false_leaks": times * false,
        "foreign_attributed": times * sum(bool(row.attributed) for row in foreign),
        "foreign_accepted": times * sum(accepted(row) for row in foreign),
    }  # fmt: skip


def accepted(row: Any) -> bool:
    """Both witnesses speak for it: significant or not, the default gate does not pass it."""
    said = row.testimony
    return bool(row.attributed) and said is not None and said.witnesses == "both"


def decided(sets: dict[str, Tensor], attributor: Path, generator: SplitGenerator) -> Row:
    """A folder of these images, scanned."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, images in sets.items():
            write(images, Path(folder), kind)
        outcome = scanned(Path(folder), attributor, generator)
        leaks = [f.row.key for f in outcome.findings if f.verdict == "leak"]
        held = [f.row.key for f in outcome.findings if f.verdict == "leak" or f.accepted]
        return {
            "images": {kind: len(images) for kind, images in sets.items()},
            "leaks": _by_kind(leaks, sets), "gated": _by_kind(held, sets),
            "exit": exit_code(outcome),
        }  # fmt: skip


def scanned(folder: Path, attributor: Path, generator: SplitGenerator) -> ScanOutcome:
    """At the defaults, in this process."""
    scorer = from_folder(attributor, "cpu")
    scorer.attributor.bring(generator)
    return run_scan(ScanPlan([open_target(str(folder))], workers=0), [scorer])


def write(images: Tensor, folder: Path, kind: str) -> None:
    """As PNG, (n, 1, height, width)."""
    for number, image in enumerate(images):
        save_png(image, folder / f"{kind}-{number:06d}.png")


def summarised(found: list[Row]) -> Row:
    """Of the rows above."""
    by = {row["how"]: row for row in found if row["section"] == SECTION}
    if not by:
        return {}
    lossy = [row for how, row in by.items() if how.startswith("siblings, JPEG")]
    return {
        "needle_called": by["simulated"]["leaks"],
        "needle_gated": by["simulated"]["gated"],
        "needle_false_leaks": by["simulated"]["false_leaks"],
        "needle_foreign_accepted": by["simulated"]["foreign_accepted"],
        "five_among_24_exit": by["5 among 24"]["exit"],
        "five_among_24_gates": by["5 among 24"]["exit"] == FINDINGS,
        "lossy_sibling_false_leak_share": max(
            row["leaks"]["foreign"] / max(1, sum(row["leaks"].values())) for row in lossy
        ),
    }


def _by_kind(keys: Sequence[str], kinds: Any) -> dict[str, int]:
    return {kind: sum(key.startswith(kind) for key in keys) for kind in kinds}
