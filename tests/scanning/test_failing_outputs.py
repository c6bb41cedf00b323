"""Every output fails in every position: the others are written, one sentence says which is not."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code
from flipad_ops.scanning.outputs import FORMATS, OutputFormat, check_outputs, write_outputs
from tests.scanning.pipeline.test_pipeline import png
from tests.scanning.test_outputs import folder, scan

__all__ = ["folder"]

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


class Odd(Exception):
    """What a format of another package may raise."""


def fail(outcome: ScanOutcome, stream: object) -> None:
    raise Odd("first line\nsecond line")


ODD = OutputFormat(fail)


@pytest.fixture
def outcome(folder: Path) -> ScanOutcome:
    return scan(folder)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("name", FORMATS)
def test_one_that_fails_takes_no_other_with_it(
    name: str, position: int, outcome: ScanOutcome, tmp_path: Path
) -> None:
    outputs = [("csv", tmp_path / "a.csv"), ("junit", tmp_path / "b.xml")]
    outputs.insert(position, (name, FULL))
    (said,) = write_outputs(outcome, outputs)
    assert said == f"Output {name} to /dev/full failed: No space left on device."
    assert FULL.is_char_device()
    for form, path in outputs[:position] + outputs[position + 1 :]:
        assert path.stat().st_size > 100, form
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.xml", "found"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_that_raises_anything(
    position: int, outcome: ScanOutcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "odd", f"{__name__}:ODD")
    outputs = [("json", tmp_path / "a.json"), ("jsonl", tmp_path / "b.jsonl")]
    outputs.insert(position, ("odd", tmp_path / "c"))
    (said,) = write_outputs(outcome, outputs)
    assert said == f"Output odd to {tmp_path / 'c'} failed: first line."
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.jsonl", "found"]


def test_findings_come_before_outputs_that_failed(outcome: ScanOutcome, tmp_path: Path) -> None:
    outcome.unwritten = write_outputs(outcome, [("csv", FULL)])
    assert exit_code(outcome) == 3
    assert exit_code(outcome, "never") == 7


def test_pipes_are_written_to_and_stay_pipes(outcome: ScanOutcome, tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    check_outputs([("csv", pipe)])
    assert write_outputs(outcome, [("csv", pipe)]) == []
    reader.join(30)
    assert got[0].startswith(b"key,target")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_cannot_be_written_is_refused_before_the_scan(tmp_path: Path) -> None:
    same = [("csv", tmp_path / "x"), ("json", tmp_path / "sub" / ".." / "x")]
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match="same file"):
        check_outputs(list(same))
    with pytest.raises(UsageError, match="is a folder"):
        check_outputs([("csv", tmp_path / "sub")])


def test_names_that_are_no_utf8_reach_every_output(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path) + b"/f\xff\xfe"
    os.mkdir(root)
    Path(os.fsdecode(root), os.fsdecode(b"\xfd.png")).write_bytes(png(0.05, 1))
    outcome = scan(Path(os.fsdecode(root)))
    outputs: list[tuple[str, Path | None]] = [(name, tmp_path / f"x.{name}") for name in FORMATS]
    assert write_outputs(outcome, outputs) == []


@pytest.mark.parametrize("where", ["full", "head"])
def test_stdout_comes_last_and_fails_in_one_sentence(
    where: str, outcome: ScanOutcome, tmp_path: Path
) -> None:
    saved = tmp_path / "run.jsonl"
    assert write_outputs(outcome, [("jsonl", saved)]) == []
    code = "from flipad_ops.cli.main import main; main()"
    words = [sys.executable, "-c", code, "report", str(saved), "-o", "json", "-o"]
    words.append(f"csv={tmp_path / 'x.csv'}")
    if where == "full":
        with FULL.open("wb") as out:
            done = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, text=True)
        said = "No space left on device"
    else:
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        said = "Broken pipe"
    assert done.stderr == f"flipadops: Output json to stdout failed: {said}.\n"
    assert done.returncode == 7
    assert (tmp_path / "x.csv").stat().st_size > 100
