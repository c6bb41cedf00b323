"""What a scan says of a second witness that is silent, and shows where there is none."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.common.errors import UsageError
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


@pytest.fixture
def found(fitted: str) -> str:
    """Own images and the store."""
    Path("found").mkdir()
    for index, image in enumerate(load_generator("tiny/1", tracking_uri=fitted).sample(4, seed=9)):
        Path("found", f"{index}.png").write_bytes(encode_png(image))
    return fitted


def rows(path: str) -> list[dict[str, object]]:
    """A saved scan without what two runs never share."""
    kept = [json.loads(line) for line in Path(path).read_text().splitlines()]
    for each in kept:
        for name in ("started", "seconds", "stages", "command"):
            each.pop(name, None)
    return kept


def test_remade_images_for_the_eye_change_nothing_but_the_report(found: str) -> None:
    said: list[tuple[str, int, int]] = []

    def run(illustrate: bool) -> None:
        name = "shown" if illustrate else "plain"
        request = ScanRequest(
            ("found",), models=("tiny",), tracking_uri=found, workers=0, fdr=0.3,
            outputs=(f"jsonl={name}.jsonl", f"html={name}.html"), illustrate=illustrate,
        )  # fmt: skip
        scan(request, stages=lambda: nullcontext(lambda *told: said.append(told)))

    run(False)
    assert said == []
    run(True)
    assert rows("shown.jsonl") == rows("plain.jsonl")
    flagged = Path("shown.html").read_text().count('class="exhibit ')
    assert flagged
    assert said[0] == ("remake findings for the report", 0, 0)
    assert said[-1] == ("remake findings for the report", flagged + 8, flagged + 8)
    assert Path("shown.html").read_text().count('class="likeness"') == flagged
    assert "for the eye" not in Path("plain.html").read_text().partition("</style>")[2]
    done = CliRunner().invoke(app, ["report", "shown.jsonl", "-o", "html=again.html",
                                    "--illustrate", "--tracking-uri", found])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "remake findings for the report" in done.stderr
    sources = [re.findall(r'class="likeness" src="[^"]+', Path(name).read_text())
               for name in ("shown.html", "again.html")]  # fmt: skip
    assert sources[0] == sources[1]
    MlflowClient(found).set_model_version_tag("tiny", "1", tags.DECODER, "f" * 64)
    done = CliRunner().invoke(app, ["report", "shown.jsonl", "-o", "html=without.html",
                                    "--illustrate", "--tracking-uri", found])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (
        "warning: The report shows no remade images for tiny-attributor/1: The gen" in done.stderr
    )
    assert 'class="likeness"' not in Path("without.html").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "json"], "--illustrate is for a report with pictures: -o html=report.html."),
        (["-o", "html=r.html", "--no-thumbnails"], "Remade images are pictures"),
    ],
    ids=["no page", "no pictures"],
)
def test_remade_images_are_for_pictures(found: str, options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["scan", "found", "--model", "tiny", "--illustrate", *options,
                                    "--tracking-uri", found])  # fmt: skip
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
