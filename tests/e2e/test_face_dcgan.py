"""The public face DCGAN, by the commands of docs/face-dcgan.md: register, fit, scan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from flipad_ops.demo.published import WANTED
from tests.docs.blocks import typed

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's commands have run."""
    if not all(map(find_spec, WANTED)):
        pytest.skip("requirements-demo.lock is not installed")
    folder = tmp_path_factory.mktemp("faces")
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    script = "set -euo pipefail\n" + "\n".join(typed((ROOT / "docs" / "face-dcgan.md").read_text()))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def attributed(folder: Path) -> dict[str, tuple[int, int]]:
    """(attributed, scanned) by kind."""
    counts: dict[str, tuple[int, int]] = {}
    for image in json.loads((folder / "scan.json").read_text())["images"]:
        assert image["outcome"] == "scored", image
        kind = image["key"].split("/")[0]
        hits, total = counts.get(kind, (0, 0))
        counts[kind] = hits + bool(image["attributed"]), total + 1
    return counts


def test_own_images_are_found_and_another_generators_rejected(scanned: Path) -> None:
    counts = attributed(scanned)
    assert {kind: total for kind, (_, total) in counts.items()} == {
        "own": 400,
        "other-faces": 200,
        "photos": 200,
    }
    assert counts["own"][0] / 400 >= 0.985
    assert counts["other-faces"][0] / 200 <= 0.02
    assert counts["photos"][0] / 200 <= 0.01


def test_every_image_was_inverted_to_tolerance(scanned: Path) -> None:
    images = json.loads((scanned / "scan.json").read_text())["images"]
    assert sum(image["converged"] is False for image in images) <= 0.01 * len(images)


def test_report_names_the_generator_and_shows_pictures(scanned: Path) -> None:
    text = (scanned / "report.html").read_text()
    assert "faces version 1" in text
    assert " of faces/1: " in text
    assert text.count('<figure class="exhibit ') == 50


def test_score_does_not_depend_on_the_batch(scanned: Path) -> None:
    """Scored alone, in a small batch and in the scan's batches: equal to 1e-5 relative."""
    import contextlib

    import torch

    from flipad_ops.registry.scorers import load_scorers
    from flipad_ops.storage.image_folder import load_folder

    images = json.loads((scanned / "scan.json").read_text())["images"]
    scores = {image["key"]: image["score"] for image in images}
    with contextlib.chdir(scanned):
        scorer = load_scorers(["faces"], False, "cpu", f"sqlite:///{scanned}/mlflow.db")[0]
        for kind in ("own", "photos"):
            loaded = load_folder(Path("found") / kind, scorer.space, limit=7, seed=1)
            together = torch.from_numpy(scorer.score(loaded.images).score)
            alone = torch.cat(
                [torch.from_numpy(scorer.score(image[None]).score) for image in loaded.images]
            )
            scan = torch.tensor([scores[f"{kind}/{name}"] for name in loaded.names])
            torch.testing.assert_close(alone, together, rtol=1e-5, atol=0)
            torch.testing.assert_close(alone, scan.double(), rtol=1e-5, atol=0)
