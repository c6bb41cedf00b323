"""Benchmark of real generators: what one fit finds of their own, and of others' images.

    python -m benchmarks.real_generators                      # all whose weights are here
    python -m benchmarks.real_generators --only cwgan_mnist   # one again, the rest as it was

Writes benchmarks/results/real_generators.{json,md}. A fit has photographs alone as its foreign
source; own images, photographs and siblings of the test were seen by no fit. Generators that
`benchmarks.regeneration` measures in the same way are read from its results.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.real_parts.page import page
from benchmarks.real_parts.subjects import REAL, SUBJECTS, Subject, photographs
from benchmarks.regeneration_parts.field import Field, Row, fit_reported, kept_fit, verdict_rows
from benchmarks.regeneration_parts.photo_fits import (
    FIT_FOREIGN,
    PER_ORIGIN,
    TEST_FOREIGN,
    with_detail,
)
from benchmarks.zoo.train import cache_folder
from tests.docs.forms_table import CONVERT, NO, SECTIONS, TOLD, YES

NAME = "real_generators"
#: Images of each kind in the test; photographs of so many origins.
TESTED = 60
#: Sections of `benchmarks.regeneration` that hold as well, and their generators as named here.
THERE = {"taef2": "taef2", "siblings": "waifu2x noise1", "faces": "gan_face_generate"}


def rows_of(name: str, subject: Subject, field: Field) -> list[Row]:
    """One fit, and what it says of images that nobody has shown it."""
    settings, count = subject.settings(field), field.count(TESTED)
    generator = subject.generator(settings)
    shape = tuple(generator.sample_shape)
    foreign = {"photographs": photographs("fit", shape, PER_ORIGIN, FIT_FOREIGN)}
    fitted = kept_fit(
        field, f"real-{name}", generator, lambda: fit_reported(generator, foreign, settings)
    )
    sets, facts = subject.tested(count)
    unseen = photographs("unseen", shape, 1, TEST_FOREIGN)
    images, of = with_detail(unseen.images, unseen.groups or [], count)
    rows = verdict_rows(
        fitted, {**sets, "photographs": images}, {**facts, "photographs": of}, generator=name
    )
    shown = {"cpu_s_of_fit": fitted.facts["cpu_s"], "ending": str(generator.ending or ""),
             "range": [generator.output_map.low, generator.output_map.high],
             "second_witness": fitted.both.second_witness}  # fmt: skip
    return [{**row, **shown} for row in rows]


def measured_there(path: Path) -> list[Row]:
    """Rows of `benchmarks.regeneration`: as made, by verdict."""
    if not path.exists():
        return []
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    wanted = [r for r in rows if r["section"] in THERE and r["how"] == "as made"]
    return [
        {"generator": THERE[row["section"]], "measured_by": "benchmarks.regeneration"}
        | {key: value for key, value in row.items() if key not in ("section", "target", "how")}
        for row in wanted
        if "attributed" in row
    ]


def summarise(rows: list[Row]) -> dict[str, Any]:
    """Flat figures; siblings are all that are neither own nor real."""
    verdicts = [form.verdict for section in SECTIONS.values() for form in section]
    share = {(r["generator"], r["kind"]): r["attributed"] / r["images"] for r in rows}
    own = [value for (_, kind), value in share.items() if kind == "own"]
    foreign = [value for (_, kind), value in share.items() if kind in REAL]
    siblings = [v for (_, kind), v in share.items() if kind not in ("own", *REAL)]
    figures = {
        "forms_accepted": verdicts.count(YES) + verdicts.count(TOLD),
        "forms_refused": verdicts.count(NO) + verdicts.count(CONVERT),
        "forms_refused_with_working_remedy": verdicts.count(TOLD),
        "generators": len({row["generator"] for row in rows}),
        "own_found_min": min(own, default=None),
        "foreign_attributed_max": max(foreign, default=None),
        "siblings_attributed_max": max(siblings, default=None),
        "taef2_own": share.get(("taef2", "own")),
        "taef2_photos_attributed": share.get(("taef2", "photographs")),
    }
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}


def main() -> None:
    """Run and write after every generator."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="comma-separated, or none: " + ", ".join(SUBJECTS))
    parser.add_argument("--budget", type=float, default=1.0, help="factor on image counts")
    parser.add_argument("--again", action="store_true", help="fit anew what is kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / f"{NAME}.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = [row for row in old.get("rows", []) if row["generator"] in SUBJECTS]
    chosen = list(SUBJECTS) if options.only is None else options.only.split(",")
    field = Field(cache_folder(), options.budget, again=options.again)
    for name in [each for each in chosen if each != "none"] + [""]:
        try:
            made = rows_of(name, SUBJECTS[name], field) if name else []
        except FileNotFoundError as error:
            print(f"{name}: {error}")
            continue
        rows = [row for row in rows if row["generator"] != name] + made
        rows.sort(key=lambda row: list(SUBJECTS).index(row["generator"]))
        whole = [*rows, *measured_there(RESULTS / "regeneration.json")]
        result = {"summary": summarise(whole), "rows": whole, "machine": machine()}
        write_json(path, result)
        (options.out / f"{NAME}.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
