"""What files say of their making: beside findings, in every run of a ledger, no verdict."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise
from flipad_ops.scanning.outputs import output_format
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs

DIGEST = "6ce0161689" + "ab" * 27
NAMES = "which is registered as night/3"


def save(path: Path, grey: int, parameters: str, side: int = 8) -> None:
    info = PngInfo()
    info.add_text("parameters", parameters)
    Image.new("RGB", (side, side), (grey, grey, grey)).save(path, pnginfo=info)


def knowing() -> DarkIsOurs:
    scorer = DarkIsOurs()
    scorer.card = replace(scorer.card, checkpoints=(DIGEST,))
    return scorer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "found"
    folder.mkdir()
    ours = f"Steps: 20, Model hash: {DIGEST[:10]}, Model: faces"
    save(folder / "dark ours.png", 5, ours)
    save(folder / "dark theirs.png", 6, "Steps: 20, Model hash: ffffffffff")
    save(folder / "light ours.png", 200, ours)
    save(folder / "small ours.png", 200, ours, side=4)
    save(folder / "light theirs.png", 201, "Steps: 9")
    for number in range(20):
        Image.new("RGB", (8, 8), (180, 170 + number, 9)).save(folder / f"plain {number}.png")
    return folder


def scan(folder: Path, ledger: SqliteLedger | None = None, *more: DarkIsOurs) -> ScanOutcome:
    plan = ScanPlan([open_target(str(folder))], workers=1, max_skipped=1.0, fdr=0.05)
    return run_scan(plan, [knowing(), *more], ledger=ledger)


def written(name: str, outcome: ScanOutcome) -> str:
    stream = io.StringIO()
    output_format(name).write(outcome, stream)
    return stream.getvalue()


def named(outcome: ScanOutcome) -> list[str]:
    return [each.row.key for each in outcome.named[0]]


ALONE = ["light ours.png", "small ours.png"]


def test_what_a_file_names_is_told_and_decides_nothing(folder: Path) -> None:
    outcome = scan(folder)
    summary = summarise(outcome)
    assert (summary["leak"], summary["named_alone"], named(outcome)) == (2, 2, ALONE)
    rows = [json.loads(line) for line in written("jsonl", outcome).splitlines()]
    told = {row["key"]: row for row in rows if "stated" in row}
    assert len(told) == 5
    assert told["dark ours.png"]["corroborates"].endswith(NAMES)
    assert told["dark ours.png"]["stated"]["hashes"] == [DIGEST[:10]]
    assert (told["light ours.png"]["verdict"], told["dark theirs.png"]["verdict"]) == (
        "clear",
        "leak",
    )
    assert "corroborates" not in told["dark theirs.png"]
    for light in ("light ours.png", "light theirs.png", "small ours.png"):
        (folder / light).unlink()
    for dark in ("dark ours.png", "dark theirs.png"):
        (folder / dark).unlink()
    save(folder / "light ours.png", 200, f"Steps: 1, Model hash: {DIGEST}")
    alone = scan(folder)
    assert (exit_code(alone), summarise(alone)["verdict"], named(alone)) == (
        0,
        "clean",
        ["light ours.png"],
    )


@pytest.mark.parametrize("name", ["table", "html"])
def test_people_see_it(name: str, folder: Path) -> None:
    text = written(name, scan(folder))
    assert f"checkpoint {DIGEST[:10]}, {NAMES}" in text
    assert "ffffffffff" in text
    assert "named by the file" in text
    assert "small ours.png" in text


def test_a_ledger_and_a_saved_scan_keep_it(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    first = SqliteLedger(path)
    scan(folder, first)
    first.close()
    again = scan(folder, SqliteLedger(path), DarkIsOurs(name="other"))
    assert again.reused == 0  # the other attributor has not seen them
    third = scan(folder, SqliteLedger(path), DarkIsOurs(name="other"))
    assert third.reused == 25
    assert named(third) == ALONE
    saved = tmp_path / "scan.jsonl"
    saved.write_text(written("jsonl", third))
    loaded = load_outcome(saved)
    assert named(loaded) == ALONE
    assert written("jsonl", loaded).splitlines()[:50] == saved.read_text().splitlines()[:50]


def test_a_ledger_of_before_goes_on(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    ledger = SqliteLedger(path)
    scan(folder, ledger)
    ledger._db.executescript("DROP INDEX stating; ALTER TABLE rows DROP COLUMN stated;")
    ledger._db.executescript("PRAGMA user_version = 3;")
    ledger.close()
    outcome = scan(folder, SqliteLedger(path))
    assert (outcome.reused, summarise(outcome)["leak"], named(outcome)) == (25, 2, [])
