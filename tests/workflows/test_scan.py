"""What a scan and its check say of a second witness that is silent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.registry import tags
from flipad_ops.registry.generators import load_generator
from flipad_ops.samples.png import encode_png
from flipad_ops.workflows.scan import ScanRequest, scan
from tests.registry.stores import THIRD_PARTY

pytestmark = [pytest.mark.filterwarnings(text) for text in THIRD_PARTY]
SILENT = "The second witness of tiny-attributor/1 is silent: The generator models:/tiny/1 has"


def test_a_silent_witness_is_one_warning(fitted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipad_ops.registry.second_witness.has_witness", lambda scorer: True)
    found = Path("found")
    found.mkdir()
    for index, image in enumerate(load_generator("tiny/1", tracking_uri=fitted).sample(3, seed=9)):
        (found / f"{index}.png").write_bytes(encode_png(image))
    MlflowClient(fitted).set_model_version_tag("tiny", "1", tags.DECODER, "f" * 64)
    request = ScanRequest(
        ("found",), models=("tiny",), outputs=("jsonl=run.jsonl", "json=scan.json"),
        tracking_uri=fitted, workers=0, pictures=False,
    )  # fmt: skip
    outcome = scan(request)
    assert outcome.complete
    assert [text for text in outcome.warnings if text.startswith(SILENT)] == outcome.warnings[:1]
    assert json.loads(Path("scan.json").read_text())["summary"]["warnings"][0].startswith(SILENT)
    done = CliRunner().invoke(app, ["verify", "run.jsonl", "--tracking-uri", fitted, "--key",
                                    "0.png", "--allow-pickle"])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert f"warning: {SILENT}" in done.stderr
