"""Every format of one scan, the conversion of a saved one, suppressions, and the gate.

`sarif-schema-2.1.0.json` is OASIS's own, from github.com/oasis-tcs/sarif-spec.
"""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from datetime import date
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.records import Finding, Row
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise
from flipad_ops.scanning.outcome.suppress import Suppressions, load_suppressions, read_ignore_file
from flipad_ops.scanning.outputs import FORMATS, output_format, parse_output, write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from flipad_ops.workflows.score_quality import check_scores
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png

SCHEMA = Path(__file__).with_name("sarif-schema-2.1.0.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    root.mkdir()
    for index in range(4):
        (root / f"own {index}é.png").write_bytes(png(0.05, index))
        (root / f"real{index}.png").write_bytes(png(0.7, 100 + index))
    (root / 'a"<b>&\x1b.png').write_bytes(png(0.05, 50))
    (root / "zip.png").write_bytes(b"PK\x03\x04")
    return root


def scan(folder: Path, **fields: object) -> ScanOutcome:
    request = ScanPlan([open_target(str(folder))], workers=0, **fields)  # type: ignore[arg-type]
    return run_scan(request, [DarkIsOurs()])


def text(outcome: ScanOutcome, name: str) -> str:
    stream = io.StringIO()
    output_format(name).write(outcome, stream)
    return stream.getvalue()


def test_sarif_follows_its_schema(folder: Path) -> None:
    outcome = scan(folder)
    outcome.broken = ["The listing broke off."]
    document = json.loads(text(outcome, "sarif"))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    run = document["runs"][0]
    assert [result["ruleId"] for result in run["results"]] == ["leak"] * 5 + ["group"]
    assert {result["level"] for result in run["results"]} == {"error"}
    assert not run["invocations"][0]["executionSuccessful"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    uris = [place["artifactLocation"]["uri"] for place in places]
    assert any(uri.endswith("/own%200%C3%A9.png") for uri in uris)


def test_junit_is_xml_with_a_failure_per_leak(folder: Path) -> None:
    outcome = scan(folder)
    suite = ET.fromstring(text(outcome, "junit"))[0]
    assert suite.attrib["failures"] == "6"  # five leaks and their folder
    assert suite.attrib["tests"] == str(len(suite))
    assert any("\\x1b" in case.attrib["name"] for case in suite)


def test_parquet_has_every_row(folder: Path, tmp_path: Path) -> None:
    write_outputs(scan(folder), [("parquet", tmp_path / "rows.parquet")])
    table = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert len(table) == 10
    assert sum(row["verdict"] == "leak" for row in table) == 5
    with pytest.raises(UsageError, match="needs a file"):
        parse_output("parquet")


def test_a_saved_scan_converts_to_every_format(folder: Path, tmp_path: Path) -> None:
    outcome = scan(folder, fdr=0.02)
    write_outputs(outcome, [("jsonl", tmp_path / "run.jsonl")])
    again = load_outcome(tmp_path / "run.jsonl")
    assert summarise(again) == summarise(outcome) | {"seconds": again.seconds}
    for name in FORMATS:
        one, two = tmp_path / f"1.{name}", tmp_path / f"2.{name}"
        write_outputs(replace_seconds(outcome, again.seconds), [(name, one)])
        write_outputs(again, [(name, two)])
        assert one.read_bytes() == two.read_bytes(), name


def replace_seconds(outcome: ScanOutcome, seconds: float) -> ScanOutcome:
    outcome.seconds = seconds
    return outcome


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"type": "image", "outcome": "x"}'])
def test_what_is_no_saved_scan_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text(content)
    with pytest.raises(UsageError, match=r"run\.jsonl"):
        load_outcome(tmp_path / "run.jsonl")


def test_baseline_findings_do_not_count_again(folder: Path, tmp_path: Path) -> None:
    write_outputs(scan(folder), [("jsonl", tmp_path / "run.jsonl")])
    known = load_suppressions(None, tmp_path / "run.jsonl")
    (folder / "own 0é.png").rename(folder / "moved.png")
    outcome = scan(folder, suppress=known)
    assert exit_code(outcome) == 0
    assert summarise(outcome)["suppressed"] == 5
    assert text(outcome, "html").count("known from the baseline") == 5
    (folder / "new.png").write_bytes(png(0.05, 999))
    outcome = scan(folder, suppress=known)
    assert exit_code(outcome) == 3
    assert [f.row.key for f in outcome.of("leak")] == ["new.png"]
    results = json.loads(text(outcome, "sarif"))["runs"][0]["results"]
    assert sum("suppressions" in result for result in results) == 5


def entry(**fields: object) -> str:
    whole = {"sha256": "a" * 64, "attributor": "dark", "reason": "ours", "expires": "2030-01-01"}
    pairs = {k: v for k, v in (whole | fields).items() if v is not None}
    return "- " + "\n  ".join(f"{key}: {value}" for key, value in pairs.items()) + "\n"


def test_ignore_file(folder: Path, tmp_path: Path) -> None:
    import hashlib

    digest = hashlib.sha256((folder / "own 0é.png").read_bytes()).hexdigest()
    late = hashlib.sha256((folder / "own 1é.png").read_bytes()).hexdigest()
    path = tmp_path / "ignore.yaml"
    path.write_text(
        entry(sha256=digest) + entry() + entry(sha256=late, expires="2020-01-01")
        + entry(sha256=digest, attributor="other")
    )  # fmt: skip
    entries = read_ignore_file(path)
    suppress = Suppressions(entries, today=date(2026, 1, 1))
    outcome = scan(folder, suppress=suppress)
    assert len(outcome.of("leak")) == 4
    warnings = suppress.warnings()
    assert len(warnings) == 3
    assert "expired on 2020-01-01" in warnings[1]
    assert "matches no finding" in warnings[0]


@pytest.mark.parametrize(
    "content",
    [
        "a: b", "- x", "{", entry(reason=None), entry(reason="''"), entry(expires=None),
        entry(expires="soon"), entry(sha256="abc"), entry(path="x"),
    ],
)  # fmt: skip
def test_wrong_ignore_files(content: str, tmp_path: Path) -> None:
    (tmp_path / "ignore.yaml").write_text(content)
    with pytest.raises(UsageError):
        read_ignore_file(tmp_path / "ignore.yaml")


def test_gate_passes_a_scan_and_names_what_is_wrong(folder: Path) -> None:
    outcome = scan(folder)
    assert check_scores(outcome) == []
    bad = Row("k", "t", 1, "scored", "dark/1", sha256="short", score=-1.0, p=0.0)
    outcome.findings = [Finding(bad, 1.0, "clear"), Finding(bad, 1.0, "clear")]
    failures = " ".join(check_scores(outcome))
    for part in ("compound columns", "score: ", "p: ", "sha256: "):
        assert part in failures


def test_markdown_says_it_and_nothing_of_others_acts_in_it(folder: Path) -> None:
    (folder / "@team `x` | <img src=x> [a](http:b) #1 www.evil.example _b_.png").write_bytes(
        png(0.05, 51)
    )
    shown = text(scan(folder), "markdown")
    assert shown.startswith("## flipad_ops: leak\n\n**6 leaks**, 1 groups called, 0 for review")
    rows = [line for line in shown.splitlines() if line.startswith("| leak |")]
    assert len(rows) == 6
    assert all(row.count("|") == 7 for row in rows)
    for mark in ("`", "<img", "[a]", "@team", "#1 ", "www.", "\x1b", "_b_"):
        assert mark not in "".join(rows)
    assert "| skipped | images |\n|---|---|\n| " in shown
    many = "markdown", [f"{index}.png" for index in range(60)]
    for index, name in enumerate(many[1]):
        (folder / name).write_bytes(png(0.05, 200 + index))
    assert "... and 16 more" in text(scan(folder), many[0])
