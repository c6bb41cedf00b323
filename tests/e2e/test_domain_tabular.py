"""Rows of a table: register with columns as data, doctor, fit against a table, scan tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_breast_cancer

from benchmarks.domains_parts._tables import LATENT, TableGenerator, columns_of, train_gan
from flipad_ops.common.errors import DataError, UsageError
from flipad_ops.generators import split_generator
from flipad_ops.samples.columns import Columns
from tests.e2e.domains import flipadops, small, summary
from tests.e2e.s3_server import s3_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def made() -> tuple[Columns, TableGenerator, pd.DataFrame]:
    """Columns, a GAN of half of the real rows, and the other half."""
    bunch = load_breast_cancer()
    names = [str(name) for name in bunch.feature_names]
    columns = columns_of(names, bunch.data)
    order = np.random.default_rng(0).permutation(len(bunch.data))
    pixels = torch.from_numpy(columns.to_pixels(bunch.data[order[:280]]))
    return columns, train_gan(pixels, 300, 0), pd.DataFrame(bunch.data[order[280:]], columns=names)


def test_a_table_goes_the_same_way_as_images(
    made: tuple[Columns, TableGenerator, pd.DataFrame], store: str, tmp_path: Path
) -> None:
    columns, generator, real = made
    at = ("--tracking-uri", store)
    save_file(generator.state_dict(), tmp_path / "gan.safetensors")
    (tmp_path / "columns.json").write_text(json.dumps(columns.to_list()))
    flipadops(
        "register", "cells", "--factory", "benchmarks.domains_parts._tables:TableGenerator",
        "--arg", f"columns={len(columns)}", "--weights", str(tmp_path / "gan.safetensors"),
        "--latent", str(LATENT), "--columns", str(tmp_path / "columns.json"), *at,
    )  # fmt: skip
    told = flipadops("doctor", "cells", *at).stdout
    assert "linear" in told
    assert "mean radius" in told
    real[:200].to_csv(tmp_path / "foreign.csv", index=False)
    settings = small(tmp_path / "settings.json", channels=100)
    fitted = flipadops(
        "fit", "cells", "--negatives", str(tmp_path / "foreign.csv"), "--settings", settings,
        "--json", "-q", *at,
    )  # fmt: skip
    evaluation = json.loads(fitted.stdout)["evaluation"]
    assert evaluation["tpr"]["value"] > 0.9
    assert evaluation["strata"]["foreign.csv"]["auc"] > 0.8

    split = split_generator(
        generator, {"latent": {"shape": [LATENT]}, "columns": columns.to_list()}
    )
    own = pd.DataFrame(columns.to_values(split.sample(60, 77).numpy()), columns=columns.fields)
    foreign = real[200:260].reset_index(drop=True)
    table = tmp_path / "found.parquet"
    with pq.ParquetWriter(table, pa.Schema.from_pandas(own.assign(note="x"))) as writer:
        for part in (own, foreign):
            writer.write_table(pa.Table.from_pandas(part.assign(note="x"), preserve_index=False))
    options = ("-m", "cells", "--fdr", "0.1", "-q", *at)
    (there := tmp_path / "s3").mkdir()
    found = flipadops(
        "scan", str(table), *options, "-o", "json", "-o", f"html={tmp_path / 'report.html'}",
        "--fail-on", "review", code=3,
    )  # fmt: skip
    facts = summary(found.stdout)
    assert facts["scored"] == 120
    groups = {test["prefix"]: test for test in facts["prefixes"]["cells-attributor/1"]}
    ours, theirs = groups["found.parquet/rows-0-59"], groups["found.parquet/rows-60-119"]
    assert ours["attributed"] > 50
    assert ours["q"] < 1e-3
    assert theirs["attributed"] < 20
    assert "found.parquet/rows-0-59/" in (tmp_path / "report.html").read_text()

    # In a bucket they are, too.
    with s3_server(there) as server, pytest.MonkeyPatch.context() as patch:
        server.use(patch)
        server.client().upload_file(str(table), "public", "in/found.parquet")
        again = flipadops(
            "scan", "s3://public/in/found.parquet", *options, "-o", "json", "--fail-on", "review",
            code=3,
        )  # fmt: skip
    recorded, before = ([(row["key"], row["score"]) for row in json.loads(text)["images"]]
                        for text in (again.stdout, found.stdout))  # fmt: skip
    assert recorded == before

    # As CSV the rows are the same samples; a column out of place does not matter.
    own[list(columns.fields)[::-1]].to_csv(tmp_path / "own.csv", index=False)
    again = flipadops(
        "scan", str(tmp_path / "own.csv"), *options, "-o", "json", "--fail-on", "never"
    )
    rows = {row["key"].split("/")[-1]: row["score"] for row in json.loads(again.stdout)["images"]}
    before = {row["key"].split("/")[-1]: row["score"] for row in json.loads(found.stdout)["images"]}
    assert all(rows[key] == before[key] for key in rows)

    # The registered attributor scores rows by column.
    import mlflow

    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model("models:/cells-attributor/1")
    scored = model.predict(own.head(5))
    # To the last bits, which a vectorised softplus gives by place in the batch.
    assert scored["score"].tolist() == pytest.approx([before[str(n)] for n in range(5)], rel=1e-12)

    # Neither a table of samples nor a manifest; a row without a number; an empty table.
    own[["mean radius"]].to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UsageError, match=r"no manifest .* and no table of samples"):
        raise flipadops("scan", str(tmp_path / "other.csv"), *options, code=1).exception  # type: ignore[misc]
    broken = own.head(4).astype(object)
    broken.loc[2, "mean area"] = "unknown"
    broken.to_csv(tmp_path / "broken.csv", index=False)
    text = flipadops(
        "scan", str(tmp_path / "broken.csv"), *options, "-o", "json", "--fail-on", "never"
    ).stdout
    assert summary(text)["skipped"] == 1
    assert "'mean area' is 'unknown'" in text
    with pytest.raises(DataError, match="lacks the column"):
        raise flipadops(  # type: ignore[misc]
            "fit", "cells", "--negatives", str(tmp_path / "other.csv"), "-q", *at, code=1
        ).exception
