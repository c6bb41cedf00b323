"""What quick commands import: options are checked before torch is, and MLflow only where a registry
is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.samples.png import save_png

SEEN = """
import json, sys
sys.argv = ["flipadops", *sys.argv[1:]]
from flipad_ops.cli.main import main
try:
    main()
except SystemExit as end:
    print(json.dumps([end.code, sorted(sys.modules)]), file=sys.stderr)
"""
#: Seconds each, and none of them says whether an option is right.
SLOW = {"torch", "mlflow", "pandas", "sklearn", "scipy.stats", "great_expectations", "boto3"}
CASES = {
    "config init": 0,
    "config show": 0,
    "config schema": 0,
    "scan": 2,
    "scan found": 2,
    "scan found --model a//b": 2,
    "scan found --model faces --since soon": 2,
    "scan found --model faces --max-object-size 5parsec": 2,
    "scan found --model faces --group [": 2,
    "scan found --model faces -o nope": 2,
    "scan found --model faces -o table -o json": 2,
    "scan gs://bucket --model faces": 2,
    "scan found --model faces --ignore-file nowhere.yaml": 2,
    "fit": 2,
    "fit a//b": 2,
    "fit models:/faces/1 --negatives nowhere": 2,
    "fit models:/faces/1 --negatives found --group [": 2,
    "fit models:/faces/1 --settings nowhere.json": 2,
    "doctor a//b": 2,
    "sample a//b -o out": 2,
    "register faces --latent 1,a": 2,
    "report nowhere.jsonl": 2,
    "verify nowhere.jsonl": 2,
    "scan nowhere --model faces": 4,
    "hooks status --config nowhere.toml": 2,
}


def loaded(words: str, folder: Path) -> tuple[int, set[str]]:
    """Exit code, and the modules that are there at the end."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("COV", "MLFLOW", "FLIPADOPS"))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SEEN, *words.split()],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return int(code or 0), set(modules)


@pytest.mark.parametrize(("words", "code"), CASES.items(), ids=CASES)
def test_nothing_slow_is_imported(words: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    ended, modules = loaded(words, tmp_path)
    assert ended == code
    assert SLOW & modules == set()


def test_models_asks_without_torch(registered: str, tmp_path: Path) -> None:
    ended, modules = loaded(f"models --tracking-uri {registered}", tmp_path)
    assert (ended, "mlflow" in modules) == (0, True)
    assert {"torch", "sklearn", "scipy.stats"} & modules == set()


def test_doctor_takes_no_library_of_fits(registered: str, tmp_path: Path) -> None:
    ended, modules = loaded(f"doctor tiny/1 --no-tags --tracking-uri {registered}", tmp_path)
    assert (ended, "torch" in modules) == (0, True)
    assert {"sklearn", "scipy.stats", "great_expectations", "matplotlib"} & modules == set()


def test_a_scan_with_a_folder_asks_no_registry_and_its_report_needs_no_torch(
    toy_fit: FitResult, tmp_path: Path
) -> None:
    folder = save_attributor(toy_fit.attributor, tmp_path / "ours")
    (tmp_path / "found").mkdir()
    save_png(torch.rand(toy_fit.attributor.sample_shape), tmp_path / "found" / "a.png")
    ended, modules = loaded(f"scan found --model {folder} -o jsonl=scan.jsonl", tmp_path)
    assert (ended, "torch" in modules) == (0, True)
    assert (SLOW - {"torch"}) & modules == set()
    ended, modules = loaded("report scan.jsonl -o html=scan.html -o table", tmp_path)
    assert ended == 0
    assert SLOW & modules == set()
