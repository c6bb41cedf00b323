"""An output range corrected after a fit: another class, another fit, no stale attributor."""

from __future__ import annotations

import json

import pytest
import torch
from mlflow import MlflowClient
from torch import nn

from flipad_ops.common.errors import LayerMismatch
from flipad_ops.registry import tags
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import METADATA_TAG, register_generator
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry.tiny import small_settings, tiny_generator

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*"),
    pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
]


def without_activation(seed: int) -> nn.Module:
    """The tiny generator up to its last layer, which gives [0, 1]."""
    module, _ = tiny_generator(seed)
    body = module.body[:-1]
    last = body[-1]
    with torch.no_grad():
        spread = body(torch.randn(64, 8, 1, 1)).std()
        last.weight.div_(8 * spread)
        last.bias.zero_().add_(0.5)
    return body


def fitted(uri: str, store: str) -> tuple[str, str]:
    outcome = fit(FitRequest(uri, settings=small_settings(), tracking_uri=store))
    return outcome.status, f"{outcome.attributor}/{outcome.version}"


@pytest.fixture
def two(store: str) -> str:
    """`gan` 1 and 2 with the same weights, the first with a wrong range; `tiny` to fit against."""
    latent = {"latent": {"shape": [8, 1, 1]}}
    module = without_activation(seed=1)
    register_generator("gan", module, {**latent, "output_range": [-1, 1]}, tracking_uri=store)
    register_generator("gan", module, latent, tracking_uri=store)
    register_generator("tiny", *tiny_generator(seed=2), tracking_uri=store)
    return store


def test_versions_of_other_ranges_are_not_one_class(two: str) -> None:
    wrong, right = (diagnose(f"gan/{n}", tracking_uri=two) for n in (1, 2))
    assert "outputs -1 to 1" in wrong.facts["activation"]
    assert "look like 0 to 1, and the metadata says otherwise" in wrong.facts["measured"]
    assert "outputs 0 to 1" in right.facts["activation"]
    assert right.facts["final layer sha256"] == wrong.facts["final layer sha256"]
    assert right.facts["equivalence class"].startswith("no other known version")
    assert fitted("gan/1", two) == ("fitted", "gan-attributor/1")
    assert fitted("gan/2", two) == ("fitted", "gan-attributor/2")


@pytest.mark.parametrize("doctored", [False, True], ids=["at once", "after doctor"])
def test_a_corrected_tag_is_fitted_anew(two: str, doctored: bool) -> None:
    client = MlflowClient(two)
    assert fitted("gan/1", two) == ("fitted", "gan-attributor/1")
    client.set_model_version_tag("gan", "1", METADATA_TAG, json.dumps({"output_range": [0, 1]}))
    if doctored:
        assert "outputs 0 to 1" in diagnose("gan/1", tracking_uri=two).facts["activation"]
        with pytest.raises(LayerMismatch, match="another output range"):
            load_scorers(["gan/1"], tracking_uri=two)
    assert fitted("gan/1", two) == ("fitted", "gan-attributor/2")
    assert fitted("gan/1", two) == ("exists", "gan-attributor/2")
    (scorer,) = load_scorers(["gan/1"], tracking_uri=two)
    assert scorer.card.attributor_version == "2"


def test_attributors_of_before_the_hash_are_asked_themselves(two: str) -> None:
    client = MlflowClient(two)
    assert fitted("gan/1", two) == ("fitted", "gan-attributor/1")
    client.delete_model_version_tag("gan-attributor", "1", tags.INVERSION)
    for key in (tags.INVERSION, tags.STATED):
        client.delete_model_version_tag("gan", "1", key)
    assert fitted("gan/1", two) == ("exists", "gan-attributor/1")
    assert fitted("gan/2", two) == ("fitted", "gan-attributor/2")
