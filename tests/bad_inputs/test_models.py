"""Hostile and broken models, by the real program under limits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient

from flipad_ops.common.errors import GeneratorTooLarge, UsageError
from flipad_ops.common.size_limits import SETTING, SizeGuard, check_entries
from flipad_ops.registry import tags
from flipad_ops.registry.generators import METADATA_TAG
from flipad_ops.registry.known import ALLOWED
from tests.bad_inputs.model_case import Case
from tests.bad_inputs.models import CASES
from tests.bad_inputs.one_run import MEMORY
from tests.bad_inputs.onnx_models import loop
from tests.registry.stores import copy_store

#: MiB that torch, MLflow and their like take before any model is read.
LIBRARIES = 1024


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    environment = {**os.environ, ALLOWED: "tests.registry.tiny", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bad_inputs.one_run"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        requests, answers = process.stdin, process.stdout

        def run(arguments: list[str], folder: Path) -> dict[str, Any]:
            requests.write(json.dumps({"arguments": arguments, "folder": str(folder)}) + "\n")
            requests.flush()
            return dict(json.loads(answers.readline()))

        yield run
        requests.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_one_sentence_and_the_exit_code(
    case: Case, program: Any, empty_database: Path, tmp_path: Path
) -> None:
    files = tmp_path / "model"
    files.mkdir()
    case.write(files)
    client = MlflowClient(copy_store(empty_database, tmp_path))
    client.create_registered_model("m")
    stated = {METADATA_TAG: json.dumps({"latent": case.latent})}
    client.create_model_version("m", str(files), tags=stated)
    ended = program(["doctor", "m/1", *case.arguments], tmp_path)
    assert ended["code"] == case.code, ended["said"]
    assert case.sentence in " ".join(ended["said"].split())
    assert "Traceback" not in ended["said"]
    assert ended["peak_mb"] < MEMORY / 2**20 + LIBRARIES
    assert {path.name for path in tmp_path.iterdir()} <= {"model", "mlflow.db", "mlruns"}
    shutil.rmtree(files)


@pytest.mark.filterwarnings("ignore")
def test_a_fit_over_its_time_is_recorded_as_failed(
    program: Any, empty_database: Path, tmp_path: Path
) -> None:
    files = tmp_path / "model"
    files.mkdir()
    loop(2**62)(files)
    client = MlflowClient(copy_store(empty_database, tmp_path))
    client.create_registered_model("m")
    stated = {METADATA_TAG: json.dumps({"latent": {"shape": [8, 1, 1]}})}
    client.create_model_version("m", str(files), tags=stated)
    ended = program(["fit", "m/1", "--time-limit", "6"], tmp_path)
    assert ended["code"] == 4, ended["said"]
    found = client.get_model_version("m", "1").tags
    assert found[tags.STATUS] == tags.FAILED
    assert "took longer than 6 s" in found[tags.REASON]
    assert client.get_run(found[tags.RUN]).info.status == "FAILED"


def test_the_limit_on_entries_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "12")
    check_entries([3, 4], "It")
    with pytest.raises(GeneratorTooLarge, match="more than 12 entries"):
        check_entries([3, 5], "It")
    with pytest.raises(GeneratorTooLarge), SizeGuard():
        torch.empty(3, 5)
    monkeypatch.setenv(SETTING, "many")
    with pytest.raises(UsageError, match=SETTING):
        check_entries([1], "It")
