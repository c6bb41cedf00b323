"""The attributor through MLflow's own doors: serve and predict."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.samples.png import encode_png
from tests.e2e.servers import ENVIRONMENT, free_port, server

pytestmark = pytest.mark.e2e


def post(url: str, rows: list[bytes], **params: Any) -> Any:
    records = [{"image": base64.b64encode(row).decode()} for row in rows]
    return ask(url, {"dataframe_records": records, **({"params": params} if params else {})})


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_serving_scores_like_the_library(fitted: str, tmp_path: Path) -> None:
    images = load_generator("tiny/1", tracking_uri=fitted).sample(3, seed=5)
    png = [encode_png(image) for image in images]
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    expected = scorer.score(images)
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m",
        "models:/tiny-attributor@current", "--env-manager", "local",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with server(command, f"{url}/ping", tmp_path, MLFLOW_TRACKING_URI=fitted):
        rows = post(f"{url}/invocations", png)
        assert [row["score"] for row in rows] == pytest.approx(expected.score.tolist(), rel=1e-5)
        assert [row["p"] for row in rows] == pytest.approx(expected.p.tolist())
        assert [row["attributed"] for row in rows] == expected.attributed.tolist()
        mixed = post(f"{url}/invocations", [png[0], b"not an image"])
        assert mixed[0]["score"] == pytest.approx(expected.score[0], rel=1e-5)
        assert mixed[1]["error"]
        text = base64.b64encode(png[0]).decode()
        for body in ({"instances": [{"image": text}]}, {"instances": [{"image": {"b64": text}}]},
                     {"inputs": {"image": [text]}}, {"inputs": [text]}):  # fmt: skip
            (alone,) = ask(f"{url}/invocations", body)
            assert alone["score"] == pytest.approx(expected.score[0], rel=1e-5)
        strict = post(f"{url}/invocations", png, threshold=0.0, return_residual=True)
        assert not any(row["attributed"] for row in strict)
        assert len(strict[0]["residual"]) == 3 * 16 * 16
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(f"{url}/invocations", [b"not an image"])
        assert caught.value.code == 400
        assert "No image of the request can be scored" in caught.value.read().decode()


def test_mlflow_models_predict(fitted: str, tmp_path: Path) -> None:
    image = load_generator("tiny/1", tracking_uri=fitted).sample(1, seed=5)
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    row = {"image": base64.b64encode(encode_png(image[0])).decode()}
    (tmp_path / "in.json").write_text(json.dumps({"dataframe_records": [row]}))
    subprocess.run(
        [sys.executable, "-m", "mlflow", "models", "predict", "-m", "models:/tiny-attributor/1",
         "-i", "in.json", "-o", "out.json", "--env-manager", "local"],
        check=True, cwd=tmp_path, env={**ENVIRONMENT, "MLFLOW_TRACKING_URI": fitted},
    )  # fmt: skip
    (found,) = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert found["score"] == pytest.approx(scorer.score(image).score[0], rel=1e-5)
