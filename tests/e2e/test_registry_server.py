"""A registry as teams have it: many models, some of them odd, behind a server with accounts.

Fits run as a service account that starts with no right at all and is given one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import typer
from mlflow import MlflowClient
from typer.testing import CliRunner

from flipad_ops.cli.fit import fit
from flipad_ops.cli.models import models, prune
from flipad_ops.common.errors import FlipadError, PickleRefused, UsageError
from flipad_ops.registry import tags
from flipad_ops.registry.diagnosis import diagnose
from flipad_ops.registry.generators import register_generator
from flipad_ops.registry.inventory import inventory
from flipad_ops.registry.scorers import load_scorers
from flipad_ops.registry.store import tracking
from flipad_ops.workflows.fit import NO_LINEAGE, FitRequest
from flipad_ops.workflows.fit import fit as run_fit
from tests.e2e.auth_server import AuthServer, auth_server
from tests.registry.tiny import small_settings, tiny_generator

pytestmark = pytest.mark.e2e

HEAVY = bool(os.environ.get("FLIPADOPS_HEAVY"))
SMALL = small_settings()
app = typer.Typer()
for command in (fit, models, prune):
    app.command()(command)


@pytest.fixture(scope="module", params=["postgresql", "sqlite"] if HEAVY else ["postgresql"])
def registry(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthServer]:
    folder = tmp_path_factory.mktemp("server")
    with auth_server(request.param, folder) as running, running.account("admin"):
        (folder / "settings.json").write_text(json.dumps(SMALL.to_dict()))
        before = Path.cwd()
        os.chdir(folder)
        try:
            with tracking(running.url):
                _fill(running.url)
            yield running
        finally:
            os.chdir(before)


def _fill(url: str) -> None:
    """Two generators of three versions, one decoder in both, and what does not fit."""
    mlflow.set_experiment("training")
    try:
        for seed in (1, 2, 3):
            register_generator("faces", *tiny_generator(seed), tracking_uri=url)
        for seed in (4, 5, 1):
            register_generator("cars", *tiny_generator(seed), tracking_uri=url)
        module, metadata = tiny_generator(6, activation="softmax")
        example = np.zeros((2, 8, 1, 1), np.float32)
        fields = {"name": "generator", "pip_requirements": ["torch"]}
        fields |= {"metadata": {"flipad": metadata}}
        mlflow.pytorch.log_model(
            module, registered_model_name="odd", input_example=example, **fields
        )
        module, _ = tiny_generator(7)
        mlflow.pytorch.log_model(
            module, registered_model_name="old", serialization_format="pickle", **fields
        )
        MlflowClient(url).register_prompt("greeting", "hello")
    finally:
        mlflow.set_experiment(experiment_id="0")


def _request(registry: AuthServer, uri: str, **fields: object) -> FitRequest:
    return FitRequest(uri, settings=SMALL, tracking_uri=registry.url, **fields)  # type: ignore[arg-type]


def _call(registry: AuthServer, *arguments: str) -> str:
    run = CliRunner().invoke(app, [*arguments, "--tracking-uri", registry.url])
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return f"{run.exit_code}\n{run.output}"


def test_rights_are_asked_for_by_name(registry: AuthServer) -> None:
    """Each right that a fit lacks is one sentence, before any work."""
    with registry.account("fitter", "wrong"), pytest.raises(UsageError) as caught:
        run_fit(_request(registry, "cars/1"))
    assert str(caught.value).startswith("MLflow does not know account 'fitter'")
    lacking: list[tuple[tuple[str, str, str] | None, str]] = [
        (None, "it needs READ on registered model 'cars', if there is such a model"),
        (("registered_model", "cars", "READ"), "it needs EDIT on registered model 'cars'"),
        (("registered_model", "cars", "EDIT"), "it needs READ on the experiment of the files"),
    ]
    for right, words in lacking:
        if right is not None:
            registry.grant(*right)
        with registry.account("fitter"), pytest.raises(FlipadError) as refused:
            run_fit(_request(registry, "cars/1"))
        said = str(refused.value)
        assert words in said
        assert "denies account 'fitter'" in said
        assert said.count(". ") == 0
    assert not MlflowClient(registry.url).search_registered_models("name = 'cars-attributor'")


def test_a_registry_as_the_service_account(registry: AuthServer) -> None:
    training = MlflowClient(registry.url).get_experiment_by_name("training").experiment_id
    registry.grant("experiment", training, "READ")
    for name in ("cars", "odd", "old"):
        registry.grant("registered_model", name, "EDIT")
    registry.grant("prompt", "greeting", "READ")
    with registry.account("fitter"):
        said = _call(registry, "fit", "--all-missing", "--settings", "settings.json")
        assert said.startswith("4\n"), said  # odd and old cannot be fitted
        assert "3 of 5 versions without an attributor fitted" in said
        assert said.count(NO_LINEAGE) == 3
        assert "faces" not in said
    registry.grant("registered_model", "faces", "EDIT")
    registry.grant("logged_model", "*", "EDIT")
    with registry.account("fitter"):
        assert run_fit(_request(registry, "faces/1")).status == "reused"
        if HEAVY:
            said = _call(registry, "fit", "--all-missing", "--settings", "settings.json")
            assert "2 of 4 versions without an attributor fitted" in said
        found = {f"{e.name}/{e.version}": e for e in inventory(tracking_uri=registry.url)}
        rest = "fitted" if HEAVY else "missing"
        assert {name: entry.status for name, entry in found.items()} == {
            "cars/1": "fitted",
            "cars/2": "fitted",
            "cars/3": "fitted",
            "faces/1": "reused",
            "faces/2": rest,
            "faces/3": rest,
            "odd/1": "unattributable",
            "old/1": "failed",
        }
        assert found["faces/1"].attributor == found["cars/3"].attributor == "cars-attributor/3"
        assert "pickled" in found["old/1"].reason
        again = _call(registry, "fit", "cars/2", "--settings", "settings.json")
        assert "is the attributor of models:/cars/2 already" in again
        (scorer,) = load_scorers(["faces/1"], tracking_uri=registry.url)
        assert set(scorer.card.equivalence_class) == {"faces/1", "cars/3"}


def test_pickle_is_refused_until_its_owner_opts_in(registry: AuthServer) -> None:
    client = MlflowClient(registry.url)
    client.set_registered_model_tag("old", tags.ALLOW_PICKLE, "true")
    with registry.account("fitter"):
        with pytest.raises(PickleRefused, match="--allow-pickle"):
            run_fit(_request(registry, "old/1"))
        assert "flipad.allow_pickle" in diagnose("old/1", tracking_uri=registry.url).remedy
        outcome = run_fit(_request(registry, "old/1", allow_pickle=True))
        assert outcome.status == "fitted"
        assert NO_LINEAGE not in outcome.notes
        run = MlflowClient(registry.url).get_run(outcome.run_id)
        source = client.get_model_version("old", "1").source
        assert [f"models:/{m.model_id}" for m in run.inputs.model_inputs] == [source]
        # Emptied: the account may write a tag and not remove it.
        assert client.get_model_version("old", "1").tags[tags.REASON] == ""
        listing = _call(registry, "models")
        assert "old/1    fitted" in listing
        assert "greeting" not in listing
        assert "0 superseded" in _call(registry, "prune")
