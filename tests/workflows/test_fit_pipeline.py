from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from flipad_ops.attribution.foreign_images import SELF_MADE
from flipad_ops.attribution.seeds import stream
from flipad_ops.common.errors import (
    AttributorMissing,
    FlipadError,
    GateFailed,
    GeneratorNotFound,
    NegativesTooFew,
    UsageError,
)
from flipad_ops.registry import tags
from flipad_ops.registry.generators import load_generator, register_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.samples.png import save_png
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry.tiny import tiny_generator, tiny_settings


def request(store: str, uri: str = "tiny/1", **fields: Any) -> FitRequest:
    fields.setdefault("settings", tiny_settings())
    return FitRequest(uri, tracking_uri=store, **fields)


def attributors(store: str) -> list[Any]:
    return list(MlflowClient(store).search_model_versions("name = 'tiny-attributor'"))


def test_what_a_fit_leaves(fitted: str) -> None:
    client = MlflowClient(fitted)
    attributor = client.get_model_version_by_alias("tiny-attributor", "current")
    assert client.get_model_version_by_alias("tiny-attributor", "generator-v1").version == 1
    generator = client.get_model_version("tiny", "1")
    assert generator.tags[tags.STATUS] == tags.FITTED
    assert generator.tags[tags.ATTRIBUTOR] == "tiny-attributor/1"
    assert (attributor.tags[tags.GENERATOR], attributor.tags[tags.GENERATOR_VERSION]) == (
        "tiny",
        "1",
    )
    for key in (tags.LAYER, tags.DECODER, tags.CONFIG):
        assert generator.tags[key] == attributor.tags[key]
    assert "Was this image made by `models:/tiny/1`?" in attributor.description
    assert "| tiny/2 |" in attributor.description


def test_what_the_run_holds(fitted: str) -> None:
    client = MlflowClient(fitted)
    attributor = client.get_model_version("tiny-attributor", "1")
    run = client.get_run(attributor.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["inversion.alpha"] == "0.01"
    assert run.data.params["detector.dim"] == "16"
    assert {"tpr", "fpr/tiny/2", "auc/tiny/2", "loss", "seconds/invert"} <= set(run.data.metrics)
    assert len(client.get_metric_history(attributor.run_id, "loss")) == 4
    generator = client.get_model_version("tiny", "1")
    assert [m.model_id for m in run.inputs.model_inputs] == [
        generator.source.removeprefix("models:/")
    ]
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "tiny/2"
    assert len(data.dataset.digest) == 32
    for folder, names in {
        "pictures": {"loss.png", "scores.png", "roc.png", "activations.png", "gallery.png"},
        "data": {"manifest.csv", "quality.json", "scores.csv"},
        "data_docs": set(),
    }.items():
        found = {Path(a.path).name for a in client.list_artifacts(attributor.run_id, folder)}
        assert names <= found if names else not found


def test_a_second_fit_does_nothing(fitted: str) -> None:
    before = len(MlflowClient(fitted).search_runs(["1"]))
    assert fit(request(fitted)).status == "exists"
    assert len(MlflowClient(fitted).search_runs(["1"])) == before
    assert len(attributors(fitted)) == 1


def test_force_fits_again_and_takes_over(fitted: str) -> None:
    outcome = fit(request(fitted, force=True))
    assert (outcome.status, outcome.version, outcome.champion) == ("fitted", "2", True)
    assert (
        MlflowClient(fitted).get_model_version_by_alias("tiny-attributor", "current").version == 2
    )


def test_folder_negatives(registered: str, photos: Path) -> None:
    seed = stream(tiny_settings().seed, "own")
    own = load_generator("tiny/1", tracking_uri=registered).sample(188, seed)[:5]
    for index, image in enumerate(own):
        save_png(image, photos / f"leaked{index}.png")
    (photos / "again.png").write_bytes((photos / "0.png").read_bytes())
    (photos / "notes.txt").write_text("not an image")
    settings = tiny_settings(max_negatives=400)
    outcome = fit(request(registered, negatives=(str(photos),), settings=settings))
    assert set(outcome.evaluation["strata"]) == {"photos", SELF_MADE}
    said = "no other generator, no relative (another version of this model)"
    assert said in outcome.text()
    assert f"  {SELF_MADE}" in outcome.text()
    card = attributors(registered)[0].description
    assert said in card
    assert "none, for the test alone" in card
    assert any("repeated images left out" in note for note in outcome.notes)
    assert "photos: 5 own samples left out" in outcome.notes


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({}, NegativesTooFew, "no foreign image"),
        ({"negatives_models": ("huge",)}, GeneratorNotFound, "'huge'"),
        ({"negatives_models": ("tiny/1",)}, UsageError, "shares the final layer"),
    ],
)
def test_a_failed_fit_leaves_its_reason_only(
    registered: str, fields: Any, error: type[FlipadError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        fit(request(registered, **fields))
    version = MlflowClient(registered).get_model_version("tiny", "1")
    assert version.tags[tags.STATUS] == tags.FAILED
    assert reason in version.tags[tags.REASON]
    assert attributors(registered) == []
    names = [model.name for model in MlflowClient(registered).search_registered_models()]
    assert names == ["tiny"]
    run = MlflowClient(registered).get_run(version.tags[tags.RUN])
    assert run.info.status == "FAILED"
    with pytest.raises(AttributorMissing, match="its fit failed"):
        load_scorers(["tiny/1"], tracking_uri=registered)


def test_gate_refuses_a_folder_of_other_things(registered: str, photos: Path) -> None:
    for index in range(10):
        (photos / f"{index}.dat").write_text("something else")
    with pytest.raises(GateFailed, match="decode_ok"):
        fit(request(registered, negatives=(str(photos),), data_docs=True))
    version = MlflowClient(registered).get_model_version("tiny", "1")
    run_id = version.tags[tags.RUN]
    assert "gate failed" in version.tags[tags.REASON]
    docs = MlflowClient(registered).list_artifacts(run_id, "data_docs")
    assert any(item.path.endswith("index.html") for item in docs)


def test_usage_errors_touch_nothing(registered: str) -> None:
    for wrong in (
        request(registered, negatives=("nowhere",)),
        request(registered, settings=None, recipe="best"),
        request(registered, "tiny/1/2"),
    ):
        with pytest.raises(UsageError):
            fit(wrong)
    assert tags.STATUS not in MlflowClient(registered).get_model_version("tiny", "1").tags


def test_one_class_one_attributor(fitted: str) -> None:
    register_generator("twin", *tiny_generator(seed=1), tracking_uri=fitted)
    outcome = fit(request(fitted, "twin/1"))
    assert (outcome.status, outcome.attributor) == ("reused", "tiny-attributor")
    assert fit(request(fitted, "twin/1")).status == "reused"
    client = MlflowClient(fitted)
    for name in ("tiny", "twin", "tiny-attributor"):
        assert client.get_model_version(name, "1").tags[tags.CLASS] == "tiny/1, twin/1"
    (scorer,) = load_scorers(["twin/1"], tracking_uri=fitted)
    assert scorer.card.equivalence_class == ("tiny/1", "twin/1")
    names = [model.name for model in client.search_registered_models()]
    assert "twin-attributor" not in names


@pytest.mark.parametrize("stage", ["load", "gate", "log"])
def test_cut_short_and_started_again(fitted: str, stage: str) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if name == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(request(fitted, "tiny/2"), stop)
    version = MlflowClient(fitted).get_model_version("tiny", "2")
    assert version.tags[tags.REASON] == "interrupted"
    assert MlflowClient(fitted).get_run(version.tags[tags.RUN]).info.status == "KILLED"
    assert len(attributors(fitted)) == 1
