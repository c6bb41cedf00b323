"""The data-quality gate on a finished score table, judged by great_expectations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs.structured import rows
from flipad_ops.workflows.expectations import great_expectations

if TYPE_CHECKING:
    import pandas as pd

#: Rows judged at a time; uniqueness over the whole table is the ledger's own primary key.
PART = 200_000

_COLUMNS = ["target", "key", "attributor", "outcome", "score", "p", "sha256", "reason"]


def check_scores(outcome: ScanOutcome) -> list[str]:
    """One sentence for each expectation that the score table does not meet.

    Expected: target, key and attributor identify a row; scored rows have a score of at least
    zero, a p in (0, 1] and a content hash; the others have a reason; no row is missing.
    """
    expected = len(outcome.findings) + len(outcome.skipped) + len(outcome.failed)
    seen = 0
    failures: list[str] = []
    for frame in _parts(outcome):
        seen += len(frame)
        failures += [text for text in _judge(frame) if text not in failures]
    if seen != expected:
        failures.append(f"The score table has {seen} rows, but {expected} were counted.")
    return failures


def _parts(outcome: ScanOutcome) -> Iterator[pd.DataFrame]:
    import pandas as pd

    records = rows(outcome)
    while part := list(islice(records, PART)):
        yield pd.DataFrame([{name: r[name] for name in _COLUMNS} for r in part], columns=_COLUMNS)


def _judge(frame: pd.DataFrame) -> list[str]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        # Deprecations inside great_expectations and its dependencies are not ours to fix here.
        warnings.simplefilter("ignore")
        gx = great_expectations()
        gxe = gx.expectations

        scored = frame[frame["outcome"] == "scored"].astype({"score": float, "p": float})
        others = frame[frame["outcome"] != "scored"]
        finite = {"min_value": 0.0, "max_value": 1e300}
        tables: dict[str, tuple[pd.DataFrame, list[Any]]] = {
            "rows": (
                frame.assign(score=0.0, p=0.0),
                [
                    gxe.ExpectCompoundColumnsToBeUnique(
                        column_list=["target", "key", "attributor"]
                    ),
                    gxe.ExpectColumnValuesToBeInSet(
                        column="outcome", value_set=["scored", "skipped", "failed"]
                    ),
                ],
            ),
            "scored rows": (
                scored,
                [
                    gxe.ExpectColumnValuesToNotBeNull(column="score"),
                    gxe.ExpectColumnValuesToBeBetween(column="score", **finite),
                    gxe.ExpectColumnValuesToNotBeNull(column="p"),
                    gxe.ExpectColumnValuesToBeBetween(
                        column="p", min_value=0.0, max_value=1.0, strict_min=True
                    ),
                    gxe.ExpectColumnValueLengthsToEqual(column="sha256", value=64),
                ],
            ),
            "other rows": (
                others.assign(score=0.0, p=0.0),
                [gxe.ExpectColumnValueLengthsToBeBetween(column="reason", min_value=1)],
            ),
        }
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        source = context.data_sources.add_pandas("scan")
        failures = []
        for name, (table, expectations) in tables.items():
            if not len(table):
                continue
            batch = (
                source.add_dataframe_asset(name)
                .add_batch_definition_whole_dataframe("all")
                .get_batch({"dataframe": table})
            )
            suite = gx.ExpectationSuite(name=name, expectations=expectations)
            for result in batch.validate(suite).results:
                if not result.success:
                    what = result.expectation_config
                    about = what.kwargs.get("column", "table")
                    rule = what.type.removeprefix("expect_").replace("_", " ")
                    failures.append(f"{name}: {about}: {rule} does not hold.")
    return failures
