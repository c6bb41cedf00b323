"""A vendor's generator without weights: samples are registered, everything says "without
inversion"."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from tests.e2e.domains import flipadops, real, save, small, split, summary

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_samples_stand_in_for_a_model(store: str, tmp_path: Path) -> None:
    at = ("--tracking-uri", store)
    samples = save(split(0).sample(800, 1), tmp_path / "bought")
    (samples / "notes.txt").write_text("no image")
    printed = flipadops("register", "vendor", "--samples", str(samples), *at)
    assert "models:/vendor/1" in printed.stdout
    told = flipadops("doctor", "vendor", *at).stdout
    assert "800 samples, no model: attributed without inversion" in told
    negatives = save(real()[1000:1400], tmp_path / "negatives")
    siblings = save(split(1).sample(300, 8), tmp_path / "siblings")
    fitted = flipadops(
        "fit", "vendor", "--negatives", str(negatives), "--negatives", str(siblings),
        "--settings", small(tmp_path / "settings.json", own_train=4000), "--json", "-q", *at,
    )  # fmt: skip
    assert json.loads(fitted.stdout)["evaluation"]["tpr"]["value"] > 0.9

    save(split(0).sample(40, 99), tmp_path / "found" / "own")
    save(real()[1400:1440], tmp_path / "found" / "real")
    report = tmp_path / "report.html"
    text = flipadops(
        "scan", str(tmp_path / "found"), "-m", "vendor", "-q", "-o", "json", "-o", f"html={report}",
        "-o", f"table={tmp_path / 'table.txt'}", "--fail-on", "review", *at, code=3,
    ).stdout  # fmt: skip
    groups = {test["prefix"]: test for test in summary(text)["prefixes"]["vendor-attributor/1"]}
    assert groups["own"]["attributed"] >= 34
    assert groups["own"]["q"] < 1e-3
    assert groups["real"]["attributed"] <= 4
    flagged = [
        row for row in json.loads(text)["images"] if row.get("verdict") in ("leak", "review")
    ]
    assert flagged
    assert all("Without inversion" in row["why"] for row in flagged)
    assert "Without inversion" in report.read_text()
    assert "Without inversion" in (tmp_path / "table.txt").read_text()

    from mlflow import MlflowClient

    version = MlflowClient(store).get_model_version("vendor-attributor", "1")
    assert "Without inversion" in version.description
    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(store)
    model = mlflow.pyfunc.load_model("models:/vendor-attributor/1")
    image = (tmp_path / "found" / "own" / "0000.png").read_bytes()
    scored = model.predict(pd.DataFrame({"image": [image]}))
    before = {row["key"]: row["score"] for row in json.loads(text)["images"]}
    assert scored["score"][0] == before["own/0000.png"]

    with pytest.raises(UsageError, match="in place of a model"):
        raise flipadops(  # type: ignore[misc]
            "register", "vendor", "--samples", str(samples), "--latent", "64,1,1", *at, code=1
        ).exception
    with pytest.raises(UsageError, match="not a folder"):
        raise flipadops("register", "vendor", "--samples", "none", *at, code=1).exception  # type: ignore[misc]
