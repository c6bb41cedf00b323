"""The data-quality gate before a fit: a manifest of all images, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.common.errors import GateFailed
from flipad_ops.samples.space import SampleSpace
from flipad_ops.workflows.expectations import Expectation, Judged, Table, judge
from flipad_ops.workflows.gathered import Gathered, pixel_hashes

#: Own samples checked for repetitions; a collapsed generator shows in far fewer.
OWN_CHECKED = 256
#: Share of distinct own samples below which the generator counts as collapsed.
MIN_DISTINCT = 0.5
#: Share of the files in negative folders that may be unreadable or too small.
MAX_UNUSABLE = 0.5


@dataclass(frozen=True)
class Manifest:
    """Tables that a fit's input is judged by.

    Parameters
    ----------
    images : table
        One row per foreign image: source, group, sha256, mode, height, width.
    own : table
        The same for own samples.
    files : table
        One row per file of the folders: source, decode_ok.
    """

    images: Table
    own: Table
    files: Table


def build_manifest(gathered: Gathered, own: Tensor, space: SampleSpace) -> Manifest:
    """Tables of what was gathered and of a few own samples (n, *sample_shape)."""
    foreign: list[tuple[str, str, str]] = []
    for name, source in gathered.images.items():
        groups = source.groups or [""] * len(source)
        pairs = zip(groups, gathered.hashes[name], strict=True)
        foreign += [(name, group, value) for group, value in pairs]
    files = [
        (name, ok)
        for name, (usable, unusable) in gathered.files.items()
        for ok in [True] * usable + [False] * unusable
    ]
    return Manifest(
        _images(foreign, space),
        _images([("own", "", value) for value in pixel_hashes(own)], space),
        {"source": [name for name, _ in files], "decode_ok": [ok for _, ok in files]},
    )


def expected_of(
    manifest: Manifest, space: SampleSpace, settings: FitSettings
) -> dict[str, tuple[Table, list[Expectation]]]:
    """Each table by its name, and what it must hold."""
    mode, height, width = space.table_facts
    tables: dict[str, tuple[Table, list[Expectation]]] = {
        "foreign images": (
            manifest.images,
            [
                Expectation(
                    "expect_table_row_count_to_be_between",
                    options={"min_value": settings.min_negatives},
                ),
                Expectation("expect_column_values_to_be_unique", "sha256"),
                _one_of("mode", mode),
                _one_of("height", height),
                _one_of("width", width),
            ],
        ),
        "own samples": (
            manifest.own,
            [
                Expectation(
                    "expect_column_proportion_of_unique_values_to_be_between",
                    "sha256",
                    {"min_value": MIN_DISTINCT},
                )
            ],
        ),
    }
    if manifest.files["source"]:
        tables["files"] = (manifest.files, [_one_of("decode_ok", True, mostly=1 - MAX_UNUSABLE)])
    return tables


def judge_all(tables: Mapping[str, tuple[Table, Sequence[Expectation]]]) -> list[Judged]:
    """Every expectation of every table."""
    return [
        each for name, (table, expected) in tables.items() for each in judge(name, table, expected)
    ]


def require(judged: Sequence[Judged]) -> None:
    """Raise GateFailed, naming what was not met, if there is any."""
    if failures := [each.sentence() for each in judged if not each.success]:
        raise GateFailed(f"The data-quality gate failed: {'; '.join(failures)}.")


def _images(rows: Sequence[tuple[str, str, str]], space: SampleSpace) -> Table:
    columns = {
        name: [row[n] for row in rows] for n, name in enumerate(("source", "group", "sha256"))
    }
    facts = zip(("mode", "height", "width"), space.table_facts, strict=True)
    return {**columns, **{name: [fact] * len(rows) for name, fact in facts}}


def _one_of(column: str, value: object, **more: object) -> Expectation:
    options = {"value_set": [value], **more}
    return Expectation("expect_column_values_to_be_in_set", column, options)
