"""`scan --size-rule search` with a fitted second witness: copies stored at other sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from PIL import Image
from typer.testing import CliRunner, Result

from flipad_ops.cli.app import app
from flipad_ops.common.errors import GeneratorUnavailable
from flipad_ops.registry import tags
from flipad_ops.registry.generators import load_generator
from flipad_ops.samples.png import to_uint8

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SIDES = (16, 24, 32)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def found(witnessed: str) -> str:
    """Two images of each generator at each size, and one that is too small."""
    folder = Path("found")
    folder.mkdir()
    for version in (1, 2):
        images = load_generator(f"tiny/{version}", tracking_uri=witnessed).sample(6, seed=99)
        for number, image in enumerate(images):
            side = SIDES[number // 2]
            picture = Image.fromarray(to_uint8(image)).resize(
                (side, side), Image.Resampling.BICUBIC
            )
            picture.save(folder / f"{version}-{side}-{number}.png")
    picture.resize((7, 7)).save(folder / "small.png")
    return witnessed


def test_copies_of_other_sizes(found: str) -> None:
    options = ["--model", "tiny", "--tracking-uri", found]
    done = run("scan", "found", *options, "--size-rule", "search", "-o", "jsonl=run.jsonl", "-q")
    assert done.exit_code in (0, 3), done.output
    records = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    rows = {r["key"]: r for r in records if r["type"] == "image"}
    small = rows.pop("small.png")
    assert small["outcome"] == "skipped"
    assert small["reason"] == "7x7 pixels; the search for 16x16 takes 8x8 and more."
    for key, row in rows.items():
        version, side, _ = key.split("-")
        assert (f"Stored at {side}x{side}, searched as 16x16." in row["reason"]) is (side != "16")
        if side != "16":
            assert row["attributed"] is (version == "1"), row
    assert "searched as 16x16" in rows["1-24-2.png"]["why"]
    verify = ["verify", "run.jsonl", "--tracking-uri", found, "--key", "1-24-2.png"]
    done = run(*verify, "--regenerate")
    assert done.exit_code == 0, done.output
    MlflowClient(found).set_model_version_tag("tiny", "1", tags.DECODER, "f" * 64)
    for command in (["scan", "found", *options, "--size-rule", "search"], verify):
        error = run(*command).exception
        assert isinstance(error, GeneratorUnavailable)
        assert "--size-rule search cannot be used: The second witness of tiny-attributor/1" in (
            str(error)
        )
