"""Every wrong command line, configuration and file, by the real program."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.cli import main as program
from flipad_ops.generators import SplitGenerator
from flipad_ops.samples.png import encode_png
from tests.bad_inputs.commands import CASES, Case

#: Nothing may take longer, in seconds.
PATIENCE = 30


@pytest.fixture(scope="module")
def material(
    toy_fit: FitResult, toy_split: SplitGenerator, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    root = tmp_path_factory.mktemp("bad")
    save_attributor(toy_fit.attributor, root / "attributor")
    (root / "found").mkdir()
    for index, image in enumerate(toy_split.sample(2, seed=3)):
        (root / "found" / f"{index}.png").write_bytes(encode_png(image))
    return root


@pytest.fixture
def folder(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(material, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("FLIPADOPS_WEBHOOK_SECRET", "FLIPADOPS_WEBHOOK_SECRET_FILE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)

    def too_long(number: int, frame: object) -> None:
        raise TimeoutError(f"over {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", autouse=True)
def empty_registry(empty_database: Path) -> Path:
    return empty_database


@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_one_sentence_and_the_exit_code(
    case: Case, folder: Path, empty_registry: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copy(empty_registry, folder / "mlflow.db")
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(sys, "argv", ["flipadops", *case.arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    said = capfd.readouterr().err
    assert ended.value.code == case.code, said
    assert case.sentence in " ".join(said.split())
    assert "Traceback" not in said
    for name, content in case.files.items():  # nothing recorded earlier is lost
        assert (folder / name).read_bytes() == (
            content if isinstance(content, bytes) else content.encode()
        )
