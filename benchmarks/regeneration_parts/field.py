"""What every section is given, the fits that are kept, and a row of results."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.regeneration_parts.kept_searches import kept_searches
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import JSON_NAME, load_attributor, save_attributor
from flipad_ops.detection import Rate
from flipad_ops.generators import SplitGenerator

Row = dict[str, Any]
FACTS = "facts.json"


@dataclass(frozen=True)
class Field:
    """What every section is given.

    Parameters
    ----------
    zoo : Path
        The zoo's cache folder; fits are kept below it.
    budget : float
        Factor on image counts; below 1 also on what fits are given.
    targets : int
        Zoo targets, at most three.
    again : bool
        Fit anew what is kept, once.
    anew : set of str
        What was.
    """

    zoo: Path
    budget: float = 1.0
    targets: int = 3
    again: bool = False
    anew: set[str] = field(default_factory=set)

    def count(self, images: int, least: int = 4) -> int:
        """So many images at this budget."""
        return max(least, round(images * self.budget))

    def smaller(self, settings: FitSettings) -> FitSettings:
        """Of a second witness at this budget."""
        chosen, share = settings.regeneration, min(1.0, self.budget)
        few = replace(
            chosen,
            encoder_steps=max(20, round(share * chosen.encoder_steps)),
            first_steps=max(4, round(share**0.5 * chosen.first_steps)),
            steps=max(4, round(share**0.5 * chosen.steps)),
            own=max(20, round(share * chosen.own)),
            foreign=max(12, round(share * chosen.foreign)),
        )
        return replace(settings, regeneration=few)


@dataclass(frozen=True, eq=False)
class Fitted:
    """One fit, read twice.

    Parameters
    ----------
    both : Attributor
        Its second witness speaks, if the fit left it in.
    first : Attributor
        The same without its generator: the first witness alone, as the product was before.
    facts : dict
        wall_s, cpu_s of the fit, and seconds by stage.
    """

    both: Attributor
    first: Attributor
    facts: dict[str, Any]


def kept_fit(
    scope: Field, name: str, generator: SplitGenerator, fit: Callable[[], FitResult]
) -> Fitted:
    """A fit as a scan would find it, kept by name and budget."""
    folder = scope.zoo / "regeneration" / f"{name}-{scope.budget:g}"
    if (scope.again and name not in scope.anew) or not (folder / FACTS).exists():
        said(f"fit {name}")
        wall, cpu = time.perf_counter(), time.process_time()
        with kept_searches(scope.zoo / "searches") as spared:
            result = fit()
        # As if no search had been kept.
        stages = {**result.timings}
        if "remake" in stages:
            stages["remake"] += spared.wall_s
        facts = {
            "wall_s": round(time.perf_counter() - wall + spared.wall_s, 1),
            "cpu_s": round(time.process_time() - cpu + spared.cpu_s, 1),
            "stages_s": {stage: round(s, 1) for stage, s in stages.items()},
        }
        save_attributor(result.attributor, folder)
        scope.anew.add(name)
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        said(f"fit {name}: {json.dumps(facts)}")
    both, first = load_attributor(folder), load_attributor(folder)
    if both.regeneration is not None:
        both.bring(generator)
    return Fitted(both, first, json.loads((folder / FACTS).read_text(encoding="utf-8")))


def fit_folder(scope: Field, name: str) -> Path:
    """Where `kept_fit` keeps one; it holds JSON_NAME."""
    folder = scope.zoo / "regeneration" / f"{name}-{scope.budget:g}"
    assert (folder / JSON_NAME).exists()
    return folder


def verdict_rows(
    fitted: Fitted, sets: Mapping[str, Tensor], facts: Mapping[str, Row] | None = None, **row: Any
) -> Iterator[Row]:
    """How many of (n, *sample_shape) images of each kind are attributed: by both witnesses
    together, and by the first alone.

    All at once, as searches run on batches that are filled up; no result depends on the others.
    """
    images = torch.cat(list(sets.values()))
    found, alone = fitted.both.score(images).attributed, fitted.first.score(images).attributed
    start = 0
    for kind, part in sets.items():
        rows = slice(start, start := start + len(part))
        of = {} if facts is None else facts.get(kind, {})
        yield counted(found[rows], alone[rows], **row, kind=kind, **of)


def counted(
    attributed: NDArray[np.bool_], alone: NDArray[np.bool_] | None = None, **row: Any
) -> Row:
    """A row: `row` first, then counts and the share's 95% interval by Clopper and Pearson."""
    hits = int(attributed.sum())
    made = {**row, "images": len(attributed), "attributed": hits}
    made["attributed_95"] = interval(hits, len(attributed))
    if alone is not None:
        made["without_second"] = int(alone.sum())
        made["without_second_95"] = interval(int(alone.sum()), len(alone))
    return made


def interval(hits: int, count: int) -> list[float]:
    """95%, by Clopper and Pearson."""
    rate = Rate.of(hits, count)
    return [round(rate.low, 4), round(rate.high, 4)]


def select(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """The rows whose fields are as wanted."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def fit_reported(
    generator: SplitGenerator, foreign: Mapping[str, ForeignImages], settings: FitSettings
) -> FitResult:
    """The product's fit, its progress on stderr."""
    return fit_attributor(generator, foreign, settings, progress=reported)


def reported(stage: str, done: int, total: int) -> None:
    """A fit's progress."""
    if total and (done in (0, total) or done % max(1, total // 4) == 0):
        said(f"  {stage} {done}/{total}")


def said(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
