"""The data-quality gate before a fit: a manifest of all images, judged by great_expectations."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.common.errors import GateFailed
from flipad_ops.samples.space import SampleSpace
from flipad_ops.workflows.expectations import great_expectations
from flipad_ops.workflows.gathered import Gathered, pixel_hashes

#: Own samples checked for repetitions; a collapsed generator shows in far fewer.
OWN_CHECKED = 256
#: Share of distinct own samples below which the generator counts as collapsed.
MIN_DISTINCT = 0.5
#: Share of the files in negative folders that may be unreadable or too small.
MAX_UNUSABLE = 0.5

_SITE = {
    "class_name": "SiteBuilder",
    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
}


@dataclass(frozen=True)
class Manifest:
    """Tables that a fit's input is judged by.

    Parameters
    ----------
    images : DataFrame
        One row per foreign image: source, group, sha256, mode, height, width.
    own : DataFrame
        The same for own samples.
    files : DataFrame
        One row per file of the folders: source, decode_ok.
    """

    images: pd.DataFrame
    own: pd.DataFrame
    files: pd.DataFrame


def build_manifest(gathered: Gathered, own: Tensor, space: SampleSpace) -> Manifest:
    """Tables of what was gathered and of a few own samples (n, *sample_shape)."""
    mode, height, width = space.table_facts
    columns = ["source", "group", "sha256", "mode", "height", "width"]

    def rows(source: str, groups: Sequence[str], hashes: Sequence[str]) -> list[tuple[Any, ...]]:
        pairs = zip(groups, hashes, strict=True)
        return [(source, group, value, mode, height, width) for group, value in pairs]

    foreign: list[tuple[Any, ...]] = []
    for name, source in gathered.images.items():
        foreign += rows(name, source.groups or [""] * len(source), gathered.hashes[name])
    hashes = pixel_hashes(own)
    files = [
        (name, ok)
        for name, (usable, unusable) in gathered.files.items()
        for ok in [True] * usable + [False] * unusable
    ]
    return Manifest(
        pd.DataFrame(foreign, columns=columns),
        pd.DataFrame(rows("own", [""] * len(hashes), hashes), columns=columns),
        pd.DataFrame(files, columns=["source", "decode_ok"]),
    )


def check_manifest(
    manifest: Manifest, space: SampleSpace, settings: FitSettings, docs: Path
) -> list[str]:
    """Run the expectations, write the data docs into `docs`, return one sentence per failure."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Deprecations inside great_expectations and its dependencies are not ours to fix here.
        warnings.simplefilter("ignore")
        gxe = great_expectations().expectations
        mode, height, width = space.table_facts
        tables: dict[str, tuple[pd.DataFrame, list[Any]]] = {
            "foreign images": (
                manifest.images,
                [
                    gxe.ExpectTableRowCountToBeBetween(min_value=settings.min_negatives),
                    gxe.ExpectColumnValuesToBeUnique(column="sha256"),
                    gxe.ExpectColumnValuesToBeInSet(column="mode", value_set=[mode]),
                    gxe.ExpectColumnValuesToBeInSet(column="height", value_set=[height]),
                    gxe.ExpectColumnValuesToBeInSet(column="width", value_set=[width]),
                ],
            ),
            "own samples": (
                manifest.own,
                [
                    gxe.ExpectColumnProportionOfUniqueValuesToBeBetween(
                        column="sha256", min_value=MIN_DISTINCT
                    )
                ],
            ),
        }
        if len(manifest.files):
            usable = gxe.ExpectColumnValuesToBeInSet(
                column="decode_ok", value_set=[True], mostly=1 - MAX_UNUSABLE
            )
            tables["files"] = (manifest.files, [usable])
        return _run(tables, docs)


def require(failures: Sequence[str]) -> None:
    """Raise GateFailed, naming the failures, if there are any."""
    if failures:
        raise GateFailed(f"The data-quality gate failed: {'; '.join(failures)}.")


def _run(tables: dict[str, tuple[pd.DataFrame, list[Any]]], docs: Path) -> list[str]:
    gx = great_expectations()
    # Its temporary folders are no news to somebody who watches a fit.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {
        "globally": False,
        "profilers": False,
        "metric_calculations": False,
    }
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
    context.add_data_docs_site("local", {**_SITE, "store_backend": store})
    source = context.data_sources.add_pandas("fit")
    failures = []
    for name, (frame, expectations) in tables.items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        suite = gx.ExpectationSuite(name=name, expectations=expectations)
        definition = gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
        checkpoint = gx.Checkpoint(
            name=name, validation_definitions=[context.validation_definitions.add(definition)]
        )
        result = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        for validation in result.run_results.values():
            failures += [_sentence(name, r) for r in validation.results if not r.success]
    # Once for all tables; an action of each checkpoint would build the pages each time.
    context.build_data_docs(site_names=["local"])
    return failures


def _sentence(table: str, result: Any) -> str:
    what = result.expectation_config.type.removeprefix("expect_").replace("_", " ")
    column = result.expectation_config.kwargs.get("column")
    seen = result.result.get("observed_value")
    if seen is None and "unexpected_count" in result.result:
        seen = f"{result.result['unexpected_count']} of {result.result['element_count']} not"
    about = f"{table}.{column}" if column else table
    return f"{about}: {what} (seen: {seen})"
