"""`kill -9` of a fit at its stages: the next one completes, and one version is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from mlflow import MlflowClient

from flipad_ops.registry import tags
from flipad_ops.registry.generators import register_generator
from flipad_ops.registry.scorers import load_scorers
from tests.e2e.killed_fit import REQUESTS, fits
from tests.registry.tiny import tiny_generator

pytestmark = pytest.mark.e2e

#: From `sample` to `log` nothing is written: by default one of them stands for all.
FEW = ("load", "negatives", "gate", "train", "register", "publish", *REQUESTS)
STAGES = (
    "load", "negatives", "gate", "sample", "invert", "train", "calibrate", "evaluate", "log",
    "register", "publish",
)  # fmt: skip
ALL = (*STAGES, *REQUESTS)
#: FLIPADOPS_HEAVY: all places in one chain, then each with a complete fit of its own.
CHAINS = [ALL, *((place,) for place in ALL)] if os.environ.get("FLIPADOPS_HEAVY") else [FEW]


@pytest.mark.parametrize("places", CHAINS, ids="-".join)
def test_killed_and_started_again(registered: str, tmp_path: Path, places: tuple[str, ...]) -> None:
    register_generator("tiny", *tiny_generator(seed=2), tracking_uri=registered)
    client = MlflowClient(registered)
    begun = 0
    with fits(registered, tmp_path) as process:
        for place in places:
            begun += place in STAGES or not begun  # the last two need no second fit
            assert process.run(place) == -signal.SIGKILL, place
            complete = place == "publish" or place in REQUESTS
            found = client.search_model_versions("name = 'tiny-attributor'")
            assert len(found) == int(complete), place
            status = client.get_model_version("tiny", "1").tags[tags.STATUS]
            assert status == (tags.FITTED if place == "status" else tags.FITTING), place
            # Whatever was killed before has been closed by this one.
            assert _runs(client) == ["RUNNING"] + ["KILLED"] * (begun - 1), place
        assert process.run("nowhere") == 0, (tmp_path / "fits.log").read_text()[-2000:]
    (attributor,) = client.search_model_versions("name = 'tiny-attributor'")
    generator = client.get_model_version("tiny", "1")
    assert generator.tags[tags.STATUS] == tags.FITTED
    assert generator.tags[tags.ATTRIBUTOR] == "tiny-attributor/1"
    aliases = client.get_registered_model("tiny-attributor").aliases
    assert {name: str(v) for name, v in aliases.items()} == {"current": "1", "generator-v1": "1"}
    killed = begun - complete
    assert _runs(client) == ["FINISHED"] + ["KILLED"] * killed
    assert client.get_run(attributor.run_id).info.status == "FINISHED"
    (scorer,) = load_scorers(["tiny"], tracking_uri=registered)
    assert (scorer.name, scorer.version) == ("tiny-attributor", "1")


def _runs(client: MlflowClient) -> list[str]:
    """States of the fits' runs, newest first."""
    experiment = client.get_experiment_by_name("flipad")
    runs = client.search_runs([experiment.experiment_id], order_by=["start_time DESC"])
    return [run.info.status for run in runs]
