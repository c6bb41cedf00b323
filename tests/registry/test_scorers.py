from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.scorer import Remaker
from flipad_ops.attribution.serialisation import attributor_sha256
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import (
    AttributorCorrupt,
    AttributorError,
    AttributorMissing,
    GeneratorNotFound,
    LayerMismatch,
)
from flipad_ops.registry import tags
from flipad_ops.registry.attributor_card import card_of
from flipad_ops.registry.generators import load_generator
from flipad_ops.registry.scorers import LoadedScorer, load_scorers
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.outcome.cards import card_from_dict, card_to_dict
from tests.attribution.test_testimony import said


@pytest.mark.parametrize(
    "text",
    ["tiny", "tiny/1", "models:/tiny/1", "tiny-attributor", "tiny-attributor/1",
     "tiny-attributor@current", "tiny-attributor@generator-v1"],
)  # fmt: skip
def test_every_way_to_name_it(fitted: str, text: str) -> None:
    (scorer,) = load_scorers([text], tracking_uri=fitted)
    assert (scorer.name, scorer.version, scorer.space) == (
        "tiny-attributor", "1", Images((3, 16, 16)),
    )  # fmt: skip
    assert (scorer.card.generator_name, scorer.card.generator_version) == ("tiny", "1")
    assert set(scorer.card.measured) == {"tpr", "tiny/2"}


def test_each_once_and_all(fitted: str) -> None:
    assert len(load_scorers(["tiny", "tiny/1"], tracking_uri=fitted)) == 1
    assert len(load_scorers([], True, tracking_uri=fitted)) == 1


def test_missing(fitted: str) -> None:
    with pytest.raises(AttributorMissing, match="run flipadops fit models:/tiny/2"):
        load_scorers(["tiny/2"], tracking_uri=fitted)
    with pytest.raises(GeneratorNotFound):
        load_scorers(["huge"], tracking_uri=fitted)
    with pytest.raises(AttributorMissing, match="There is no attributor"):
        load_scorers(["huge-attributor"], tracking_uri=fitted)


def test_another_final_layer(fitted: str) -> None:
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    MlflowClient(fitted).set_model_version_tag("tiny", "1", tags.LAYER, "f" * 64)
    with pytest.raises(LayerMismatch, match="fit it again") as caught:
        load_scorers(["tiny"], tracking_uri=fitted)
    assert "f" * 12 in str(caught.value)
    assert scorer.card.final_layer_sha256[:12] in str(caught.value)


def test_altered_files(fitted: str) -> None:
    MlflowClient(fitted).set_model_version_tag("tiny-attributor", "1", tags.FILES, "0" * 64)
    with pytest.raises(AttributorCorrupt, match="not those that were registered"):
        load_scorers(["tiny"], tracking_uri=fitted)


def test_local_folder(fitted: str, tmp_path: Path) -> None:
    mlflow.set_tracking_uri(fitted)
    root = mlflow.artifacts.download_artifacts("models:/tiny-attributor/1", dst_path=str(tmp_path))
    mlflow.set_tracking_uri(None)
    folder = Path(root) / "artifacts" / "attributor"
    (scorer,) = load_scorers([str(folder)])
    assert (scorer.name, scorer.version) == ("tiny-attributor", "local")
    assert scorer.card.attributor_sha256 == attributor_sha256(folder)


class Remaking:
    """An attributor with a second witness, in front of one that has none."""

    second_witness = "It makes each image again."
    remade_own = np.array([0.25, 0.5])
    remade_null = MappingProxyType({"photos": np.array([3.0])})

    def __init__(self, attributor: Attributor) -> None:
        self._attributor = attributor

    def __getattr__(self, name: str) -> object:
        return getattr(self._attributor, name)

    def show(self, testimony: Testimony) -> tuple[object, object]:
        made = np.full((2, 2, 3), int(testimony.latents()[0, 1]), np.uint8)
        return made, made + 1

    def distance(self, pixels: Tensor, testimony: Testimony) -> Tensor:
        return pixels.sum() + testimony.psnr


def test_images_are_made_again_by_the_attributor(fitted: str) -> None:
    (plain,) = load_scorers(["tiny"], tracking_uri=fitted)
    assert isinstance(plain, LoadedScorer)
    with pytest.raises(AttributorError, match="generator is not at hand"):
        plain.show(said())
    with pytest.raises(AttributorError, match="generator is not at hand"):
        plain.distance(torch.zeros(3, 16, 16), said())
    assert (plain.card.remade_own, plain.card.second_witness) == ((), "")
    remaking: Any = Remaking(plain.attributor)
    scorer = LoadedScorer(remaking, card_of(remaking, "a" * 64, "test", None))
    assert isinstance(scorer, Remaker)
    assert [int(image.max()) for image in scorer.show(said())] == [1, 2]
    assert scorer.distance(torch.ones(2), said(psnr=30.0)) == 32.0
    card = card_from_dict(json.loads(json.dumps(card_to_dict(scorer.card))))
    assert (card.remade_own, card.remade_null) == ((0.25, 0.5), {"photos": (3.0,)})
    assert card.second_witness == "It makes each image again."


def test_pyfunc_agrees_with_the_library(fitted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    images = load_generator("tiny/1", tracking_uri=fitted).sample(3, seed=99)
    (scorer,) = load_scorers(["tiny"], tracking_uri=fitted)
    expected = scorer.score(images, residual=True)
    mlflow.set_tracking_uri(fitted)
    model = mlflow.pyfunc.load_model("models:/tiny-attributor@current")
    mlflow.set_tracking_uri(None)
    png = [encode_png(image) for image in images]
    frame = pd.DataFrame({"image": [png[0], b"nothing", png[1], png[2]]})
    out = model.predict(frame, params={"return_residual": True})
    assert np.allclose(out["score"].to_numpy()[[0, 2, 3]], expected.score, rtol=1e-5)
    assert np.allclose(out["p"].to_numpy()[[0, 2, 3]], expected.p)
    assert out["attributed"].tolist()[0] == bool(expected.attributed[0])
    assert np.isnan(out["score"][1])
    assert "image format" in out["error"][1]
    assert len(out["residual"][0]) == 3 * 16 * 16
    strict = model.predict(frame.iloc[[0]], params={"threshold": 0.0})
    assert not strict["attributed"].any()
    bad = pd.DataFrame({"image": [b"nothing"]})
    with pytest.raises(MlflowException, match="No image of the request"):
        model.predict(bad)
    assert model.predict(bad, params={"refuse_unreadable": False})["error"].str.len().gt(0).all()
