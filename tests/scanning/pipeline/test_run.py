"""A scan of real files with a plain scorer."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.errors import NothingToScan, TargetError, UsageError
from flipad_ops.scanning.decisions.coverage import Coverage
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise, summary_line, verdict
from flipad_ops.scanning.outputs import check_outputs, output_format, parse_output, write_outputs
from flipad_ops.scanning.pipeline.run import ScanOutcome, ScanPlan, run_scan
from flipad_ops.storage import Content, Item, LocalTarget, open_target
from flipad_ops.storage.selection import Selection
from tests.scanning.fakes import DarkIsOurs


def save(path: Path, level: float, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(abs(hash(path.name)) % 2**32).normal(level, 0.02, (size, size, 3))
    Image.fromarray((noise.clip(0, 1) * 255).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    for index in range(4):
        save(root / "own" / f"{index}.png", 0.05)
        save(root / "real" / f"{index}.png", 0.7)
    save(root / "real" / "large.png", 0.7, size=9)
    (root / "real" / "zip.png").write_bytes(b"PK\x03\x04 not an image")
    (root / "real" / "empty.png").write_bytes(b"")
    (root / ".hidden.png").write_bytes(b"")
    return root


def scan(path: Path, **changes: object) -> ScanOutcome:
    changes.setdefault("workers", 0)
    request = ScanPlan(targets=[open_target(str(path))], **changes)  # type: ignore[arg-type]
    return run_scan(request, [DarkIsOurs()])


def test_own_images_are_leaks_and_odd_files_are_skipped_with_reasons(folder: Path) -> None:
    outcome = scan(folder)
    assert {f.row.key for f in outcome.of("leak")} == {f"own/{i}.png" for i in range(4)}
    assert len(outcome.of("clear")) == 4
    reasons = {row.key: row.reason for row in outcome.skipped}
    assert set(reasons) == {"real/large.png", "real/zip.png", "real/empty.png"}
    assert "expected 8x8" in reasons["real/large.png"]
    assert outcome.complete
    assert summarise(outcome)["verdict"] == "leak"


def test_suspects_are_the_findings_that_are_not_clear(folder: Path) -> None:
    save(folder / "weak" / "0.png", 0.19)
    outcome = scan(folder, fdr=1e-3, suppress=lambda row: "known" if row.key == "own/0.png" else "")
    assert outcome.suspects is not None
    assert list(outcome.suspects) == [f for f in outcome.findings if f.verdict != "clear"]
    assert len(outcome.suspects) == 5
    assert [f.row.key for f in outcome.notable() if f.suppressed] == ["own/0.png"]
    tally = outcome.tally
    outcome.suspects = outcome.unconverged = None
    del outcome.tally
    assert outcome.tally == tally


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_size_changes_nothing(folder: Path, batch_size: int) -> None:
    assert [f.row for f in scan(folder, batch_size=batch_size).findings] == [
        f.row for f in scan(folder, batch_size=5).findings
    ]


def test_exit_codes(folder: Path, tmp_path: Path) -> None:
    assert exit_code(scan(folder)) == 3
    assert exit_code(scan(folder), "never") == 0
    assert exit_code(scan(folder / "real")) == 0
    only_junk = tmp_path / "junk"
    only_junk.mkdir()
    (only_junk / "a.png").write_bytes(b"nothing")
    assert exit_code(scan(only_junk)) == 5


def test_what_is_not_clean_is_not_complete_either(tmp_path: Path) -> None:
    """A scan of nothing but other sizes said `complete: true` beside INCOMPLETE."""
    for index in range(4):
        save(tmp_path / f"{index}.png", 0.7, size=9)
    outcome = scan(tmp_path)
    facts = summarise(outcome)
    assert (facts["verdict"], facts["complete"], exit_code(outcome)) == ("incomplete", False, 5)
    assert exit_code(scan(tmp_path, max_skipped=1.0)) == 5
    assert not scan(tmp_path, max_skipped=1.0).complete


def test_machines_are_told_that_a_scan_is_incomplete(tmp_path: Path) -> None:
    save(tmp_path / "one.png", 0.7)
    for index in range(60):
        save(tmp_path / f"{index}.png", 0.7, size=9)
    said = "1 of 61 images scanned; 60 skipped for their size"
    text = {}
    for how in ("junit", "sarif", "prometheus"):
        stream = io.StringIO()
        output_format(how).write(scan(tmp_path), stream)
        text[how] = stream.getvalue()
    suite = ET.fromstring(text["junit"])[0]
    (error,) = suite.iter("error")
    assert error.attrib["message"].startswith(f"Incomplete: {said}")
    assert suite.attrib["errors"] == "1"
    (invocation,) = json.loads(text["sarif"])["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (note,) = invocation["toolExecutionNotifications"]
    assert (note["level"], said in note["message"]["text"]) == ("error", True)
    assert 'kind="scanned"' in text["prometheus"]
    (skipped,) = [line for line in text["prometheus"].splitlines() if "for their size" in line]
    assert skipped.startswith("flipad_scan_coverage{")
    assert skipped.endswith(" 60.0")


def test_a_sample_says_what_may_be_there(tmp_path: Path) -> None:
    for index in range(40):
        save(tmp_path / f"{index}.png", 0.7 + index / 1000)
    outcome = scan(tmp_path, selection=Selection(sample=10))
    assert outcome.listed == 40
    said = "0 of a sample of 10 are attributed: of all 40 objects at most 9 would be (22%"
    assert said in summary_line(outcome)
    path = tmp_path / "run.jsonl"
    with path.open("w") as stream:
        output_format("jsonl").write(outcome, stream)
    assert said in summary_line(load_outcome(path))
    assert "sample" not in summary_line(scan(tmp_path, selection=Selection(limit=10)))


def test_clean_is_not_said_of_what_was_skipped(tmp_path: Path) -> None:
    """One photograph of the generator's size and sixty of another were "clean" with 0."""
    save(tmp_path / "one.png", 0.7)
    for index in range(60):
        save(tmp_path / f"{index}.png", 0.7, size=9)
    outcome = scan(tmp_path)
    assert (verdict(outcome), exit_code(outcome), outcome.complete) == ("incomplete", 4, False)
    said = "1 of 61 images scanned; 60 skipped for their size: over 50% were skipped"
    power = "The fewest leaks that this scan could have called are 1 (1 test, smallest p 0.001"
    for how in ("table", "html", "sarif", "junit", "json"):
        stream = io.StringIO()
        output_format(how).write(outcome, stream)
        assert said in stream.getvalue(), how
        assert power in stream.getvalue(), how
    assert said in summary_line(outcome)
    assert power in summary_line(outcome)
    allowed = scan(tmp_path, max_skipped=1.0)
    assert (verdict(allowed), exit_code(allowed)) == ("clean", 0)
    save(tmp_path / "own.png", 0.05)
    assert exit_code(scan(tmp_path)) == 3  # findings come first


def test_objects_that_one_of_two_attributors_takes_are_covered(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / f"small{index}.png", 0.7)
        save(tmp_path / f"large{index}.png", 0.7, size=9)
        (tmp_path / f"{index}.txt").write_bytes(b"text")
    both = [DarkIsOurs(), DarkIsOurs((3, 9, 9), name="other")]
    outcome = run_scan(ScanPlan([open_target(str(tmp_path))], workers=0), both)
    assert outcome.seen == Coverage(6, 0, {}, 3)
    assert verdict(outcome) == "clean"
    alone = scan(tmp_path)
    assert alone.seen == Coverage(3, 0, {"for their size": 3}, 3)
    assert verdict(alone) == "clean"  # half is not more than half
    assert replace(alone, coverage=None).seen == alone.seen


def test_an_unreadable_file_makes_the_scan_incomplete(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = LocalTarget.read

    def broken(self: LocalTarget, item: Item, max_bytes: int) -> Content:
        if item.key.endswith("1.png"):
            raise TargetError("Cannot read 1.png: Input/output error.")
        return read(self, item, max_bytes)

    monkeypatch.setattr(LocalTarget, "read", broken)
    clean = scan(folder / "real")
    assert not clean.complete
    assert exit_code(clean) == 4
    assert exit_code(scan(folder / "real", max_errors=1)) == 0
    assert exit_code(scan(folder)) == 3


def test_missing_and_empty_targets(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No such file"):
        scan(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToScan):
        scan(tmp_path / "empty")


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "outside.png", 0.05)
    (folder / "own" / "link.png").symlink_to(tmp_path / "outside.png")
    assert "own/link.png" not in {f.row.key for f in scan(folder).findings}


def test_structured_outputs_agree(folder: Path) -> None:
    outcome = scan(folder)
    streams = {name: io.StringIO() for name in ("json", "jsonl", "csv", "table")}
    for name, stream in streams.items():
        output_format(name).write(outcome, stream)
    document = json.loads(streams["json"].getvalue())
    lines = [json.loads(line) for line in streams["jsonl"].getvalue().splitlines()]
    cells = list(csv.DictReader(io.StringIO(streams["csv"].getvalue())))
    assert document["summary"] == {
        k: v for k, v in lines[-1].items() if k not in ("type", "format")
    }
    saved = [line["key"] for line in lines if line["type"] == "image"]
    assert [i["key"] for i in document["images"]] == saved
    assert [i["key"] for i in document["images"]] == [cell["key"] for cell in cells]
    assert "LEAK: 4 leaks" in streams["table"].getvalue()


def test_hostile_keys_stay_inert(folder: Path) -> None:
    save(folder / "=1+1.png", 0.05)
    save(folder / "own" / "\x1b[31mred.png", 0.05)
    outcome = scan(folder)
    table, cells = io.StringIO(), io.StringIO()
    output_format("table").write(outcome, table)
    output_format("csv").write(outcome, cells)
    assert "\x1b" not in table.getvalue()
    assert "'=1+1.png" in cells.getvalue()


def test_outputs_are_checked_before_and_written_whole(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unknown output"):
        parse_output("xml")
    with pytest.raises(UsageError, match="names no file"):
        parse_output("json=")
    with pytest.raises(UsageError, match="Only one"):
        check_outputs([("table", None), ("json", None)])
    with pytest.raises(UsageError, match="does not exist"):
        check_outputs([("json", tmp_path / "no" / "x.json")])
    write_outputs(scan(folder), [("json", tmp_path / "x.json")])
    assert json.loads((tmp_path / "x.json").read_text())["summary"]["leak"] == 4
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
