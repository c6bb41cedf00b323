"""great_expectations' pages of a data-quality gate, for fits that are asked for them."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from flipad_ops.workflows.expectations import Expectation, Table

_SITE = {
    "class_name": "SiteBuilder",
    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
}


def write_data_docs(
    tables: Mapping[str, tuple[Table, Sequence[Expectation]]], docs: Path
) -> list[tuple[str, str, bool]]:
    """Judge the tables once more and write the pages into `docs`.

    Returns
    -------
    list of (table, kind, success)
        In the order of what was expected.
    """
    import pandas as pd

    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Deprecations inside great_expectations and its dependencies are not ours to fix here.
        warnings.simplefilter("ignore")
        _quiet()  # its own logger; the others come with it
        gx = great_expectations()
        _quiet()
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {
            "globally": False,
            "profilers": False,
            "metric_calculations": False,
        }
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)}
        context.add_data_docs_site("local", {**_SITE, "store_backend": store})
        source = context.data_sources.add_pandas("fit")
        found = []
        for name, (table, expected) in tables.items():
            asset = source.add_dataframe_asset(name)
            batch = asset.add_batch_definition_whole_dataframe("all")
            suite = gx.ExpectationSuite(name=name, expectations=[_of(gx, e) for e in expected])
            definition = context.validation_definitions.add(
                gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
            )
            checkpoint = gx.Checkpoint(name=name, validation_definitions=[definition])
            frame = pd.DataFrame({column: list(values) for column, values in table.items()})
            ran = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
            for validation in ran.run_results.values():
                found += [
                    (name, str(each.expectation_config.type), bool(each.success))
                    for each in validation.results
                ]
        # Once for all tables; an action of each checkpoint would build the pages each time.
        context.build_data_docs(site_names=["local"])
    return found


def great_expectations() -> Any:
    """The package with its `expectations`; typed as Any, since checkers cannot follow its exports.

    Where PySpark is installed it would be imported whole, which takes seconds, and ends a process
    that has no main file (`python -c`, a worker of pytest-xdist): PySpark takes that for a run of
    its doctests.
    """
    if "great_expectations.expectations" in sys.modules:
        return import_module("great_expectations")
    spark = {n: m for n, m in sys.modules.items() if n == "pyspark" or n.startswith("pyspark.")}
    for name in spark:
        del sys.modules[name]
    sys.modules["pyspark"] = None  # type: ignore[assignment]  # makes its import an ImportError
    try:
        import_module("great_expectations.expectations")
        return import_module("great_expectations")
    finally:
        del sys.modules["pyspark"]
        sys.modules.update(spark)


def _quiet() -> None:
    """Its temporary folders are no news to somebody who watches a fit; some of its modules set
    levels of their own."""
    for name in ["great_expectations", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] == "great_expectations":
            logging.getLogger(name).setLevel(logging.ERROR)


def _of(gx: Any, expected: Expectation) -> Any:
    kind = "".join(word.capitalize() for word in expected.kind.split("_"))
    column = {"column": expected.column} if expected.column else {}
    return getattr(gx.expectations, kind)(**column, **expected.options)
