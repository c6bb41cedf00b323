"""The entry points of MLproject: fit from a folder and a bucket, scan, and what goes wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from PIL import Image

from flipad_ops.common.errors import DataError, TargetError, UsageError
from flipad_ops.registry import tags
from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.store import tracking
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.png import save_png
from flipad_ops.workflows.bucket_images import load_prefix
from tests.e2e.s3_server import S3Server, s3_server
from tests.e2e.servers import ENVIRONMENT, ROOT
from tests.registry.tiny import small_settings

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A prefix with eight pictures that give four patches each, a text and a strange key."""
    with s3_server(tmp_path_factory.mktemp("s3"), "public") as server:
        client = server.client()
        for index in range(8):
            noise = Image.effect_noise((32, 32), 20 + 5 * index).convert("RGB")
            stream = io.BytesIO()
            noise.save(stream, "PNG")
            key = f"neg/{index}.png" if index else "neg/sub/a #1,2 \u00e4.png"
            client.put_object(Bucket="public", Key=key, Body=stream.getvalue())
        client.put_object(Bucket="public", Key="neg/notes.txt", Body=b"not an image")
        client.put_object(Bucket="public", Key="text/notes.txt", Body=b"not an image")
        yield server


@pytest.fixture
def s3(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return bucket


def test_prefix_gives_patches_by_object(s3: S3Server) -> None:
    found = load_prefix("s3://public/neg/", Images((3, 16, 16)), 100, seed=0)
    assert (found.usable, found.unusable, found.notes) == (8, 1, ())
    groups = found.images.groups
    assert groups is not None
    assert "sub/a #1,2 \u00e4.png" in groups
    assert len(set(groups)) == 8
    assert len(found.images) >= 32
    again = load_prefix("s3://public/neg", Images((3, 16, 16)), 100, seed=0)
    assert again.images.images.equal(found.images.images)


def test_prefix_is_capped(s3: S3Server) -> None:
    few = load_prefix("s3://public/neg", Images((3, 16, 16)), 3, seed=1)
    assert len(few.images) == 3
    assert few.usable + few.unusable == 3
    assert few.notes == ("s3://public/neg: a sample of 3 objects was read",)
    one = load_prefix("s3://public/neg", Images((3, 16, 16)), 100, seed=0, max_bytes=1)
    assert one.usable == 1


@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("s3://nowhere/neg", TargetError, "does not exist"),
        ("s3://public/empty", DataError, "There is no object at s3://public/empty"),
        ("s3://public/text", DataError, "s3://public/text holds no usable image among 1 objects"),
        ("s3:///x", UsageError, "names no bucket"),
    ],
)
def test_prefix_that_cannot_serve(s3: S3Server, uri: str, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        load_prefix(uri, Images((3, 16, 16)), 10, seed=0)


def test_mlflow_run_fits(registered: str, photos: Path, tmp_path: Path, s3: S3Server) -> None:
    """From the project file, with photographs in a folder and in a bucket as negatives."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(small_settings(max_negatives=80).to_dict()))
    done = subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "fit",
         "-P", "model_uri=models:/tiny/1", "-P", f"negatives={photos},s3://public/neg",
         "-P", f"settings={settings}", "-P", "seed=7", "-P", "accept_weak=a toy, to be used",
         "--env-manager", "local", "--experiment-name", "project"],
        capture_output=True, text=True, cwd=tmp_path,
        env={**ENVIRONMENT, **s3.environment(), "MLFLOW_TRACKING_URI": registered},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    client = MlflowClient(registered)
    attributor = client.get_model_version_by_alias("tiny-attributor", "current")
    assert attributor.tags[tags.GENERATOR_VERSION] == "1"
    run = client.get_run(attributor.run_id)
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "project"
    assert run.data.params["detector.dim"] == "16"
    assert {"fpr/photos", "fpr/public/neg"} <= set(run.data.metrics)
    sources = {d.dataset.name: d.dataset.source for d in run.inputs.dataset_inputs}
    assert "s3://public/neg" in sources["public/neg"]


def run_entry(store: str, monkeypatch: pytest.MonkeyPatch, entry: str, **parameters: Any) -> None:
    """What `mlflow run . -e ENTRY -P ...` does, without starting another Python for it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    with tracking(store):
        mlflow.projects.run(
            str(ROOT),
            entry_point=entry,
            parameters=parameters,
            env_manager="local",
            experiment_name="project",
        )


def test_mlflow_run_says_what_is_wrong(
    registered: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(mlflow.exceptions.ExecutionException):
        run_entry(registered, monkeypatch, "fit", model_uri="models:/nothing/1")
    said = capfd.readouterr().err
    assert "flipadops: No registered model 'nothing'." in said
    assert "Traceback" not in said


def test_mlflow_run_scans(fitted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings make the run fail when asked to; what was found is in it all the same."""
    found = tmp_path / "found"
    found.mkdir()
    for version in ("1", "2"):
        images = load_generator(f"tiny/{version}", tracking_uri=fitted).sample(6, seed=9)
        for index, image in enumerate(images):
            save_png(image, found / f"v{version}-{index}.png")
    with pytest.raises(mlflow.exceptions.ExecutionException):
        run_entry(
            fitted, monkeypatch, "scan", target=found, model="tiny", fdr=0.2, fail_on="review"
        )
    client = MlflowClient(fitted)
    experiment = client.get_experiment_by_name("project")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert run.data.tags["flipad.exit_code"] == "3"
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, tracking_uri=fitted))
    scan = json.loads((folder / "scan" / "scan.json").read_text())
    assert scan["summary"]["scored"] == run.data.metrics["scored"] == 12
    assert "mlproject/scan.py" in scan["summary"]["command"]
    flagged = {f["key"] for f in scan["images"] if f["verdict"] != "clear"}
    assert flagged
    assert flagged <= {f"v1-{index}.png" for index in range(6)}
    assert "tiny-attributor" in (folder / "scan" / "report.html").read_text()
