"""Outputs satisfy the documented rules of who reads them: code hosts, CI servers, terminals."""

from __future__ import annotations

import io
import json
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from flipad_ops.common.shown_text import VisibleText, printable, visible
from flipad_ops.common.text_columns import write_columns
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.outcome.row_stream import Stream
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise, summary_line
from flipad_ops.scanning.outcome.suppress import Allowed, Suppressions
from flipad_ops.scanning.outputs import FORMATS, junit, sarif
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.report import page
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png
from tests.scanning.test_outputs import SCHEMA, text

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=8).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".")
)


def scan(*places: Path, names: tuple[str, ...] = ("dark",), **fields: object) -> ScanOutcome:
    request = ScanPlan([open_target(str(p)) for p in places], workers=0, **fields)  # type: ignore[arg-type]
    return run_scan(request, [DarkIsOurs(name=name) for name in names])


@pytest.fixture
def two(tmp_path: Path) -> ScanOutcome:
    """Eight own images and four others, seen by two attributors."""
    (tmp_path / "in").mkdir()
    for n in range(12):
        (tmp_path / "in" / f"{n:02}.png").write_bytes(png(0.05 if n < 8 else 0.7, n))
    return scan(tmp_path / "in", names=("dark", "night"))


def check_sarif(outcome: ScanOutcome) -> list[dict[str, object]]:
    document = json.loads(text(outcome, "sarif"))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    (run,) = document["runs"]
    assert len(run["results"]) <= 25_000
    for rule in run["tool"]["driver"]["rules"]:
        assert {"shortDescription", "fullDescription", "help"} <= rule.keys()
    for result in run["results"]:
        (place,) = result["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[^/:][^:]*", uri)
        assert not {".", "..", ""} & set(uri.split("/"))
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    return list(run["results"])


def check_junit(outcome: ScanOutcome) -> list[ET.Element]:
    suites = list(ET.fromstring(text(outcome, "junit").encode()))
    for suite in suites:
        cases = list(suite)
        places = Counter((case.attrib["classname"], case.attrib["name"]) for case in cases)
        assert max(places.values()) == 1, "GitLab keeps the first case of a name"
        kinds = Counter(part.tag for case in cases for part in case)
        for attribute, kind in {
            "failures": "failure",
            "errors": "error",
            "skipped": "skipped",
        }.items():
            assert int(suite.attrib[attribute]) == kinds[kind]
        assert int(suite.attrib["tests"]) == len(cases)
        assert re.fullmatch(TIME, suite.attrib["timestamp"])
    return suites


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_any_name_satisfies_every_reader(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("in")
    for n, name in enumerate(names):
        place = os.fsencode(root) + b"/" + name.encode("utf-8", "surrogatepass")
        with open(place, "wb") as file:
            file.write(png(0.05, n))
    outcome = scan(root)
    check_sarif(outcome)
    check_junit(outcome)
    list(text_string_to_metric_families(text(outcome, "prometheus")))
    for form in set(FORMATS) - {"parquet"}:
        shown = io.StringIO()
        VisibleText(shown).write(text(outcome, form))
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", shown.getvalue())


def test_sarif_names_files_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "a b").mkdir(parents=True)
    (tmp_path / "data" / "a b" / "é:1.png").write_bytes(png(0.05, 1))
    (tmp_path / "data" / "m.csv").write_text(f"key\na b/é:1.png\n{tmp_path}/data/a b/é:1.png\n")
    monkeypatch.chdir(tmp_path)
    for target in ("data", str(tmp_path / "data"), "data/m.csv", "./data/../data"):
        outcome = scan(Path(target)) if target != "data/m.csv" else scan(Path("data", "m.csv"))
        for result in check_sarif(outcome):
            place = result["locations"][0]["physicalLocation"]  # type: ignore[index]
            assert (tmp_path / unquote(place["artifactLocation"]["uri"])).is_file()


class Elsewhere:
    """A target whose objects lie in a bucket."""

    uri = "s3://bucket/x"

    def address(self, key: str) -> str:
        return f"s3://bucket/x/{key}"


def test_sarif_of_a_bucket_is_relative_and_keeps_the_address(two: ScanOutcome) -> None:
    two.request = replace(two.request, targets=[Elsewhere()])  # type: ignore[list-item]
    moved = [replace(f, row=replace(f.row, target="s3://bucket/x")) for f in two.notable()]
    two.suspects = moved
    for result in check_sarif(two):
        place = result["locations"][0]["physicalLocation"]  # type: ignore[index]
        assert re.fullmatch("bucket/x/0..png", place["artifactLocation"]["uri"])
        if result["ruleId"] == "leak":
            assert result["properties"]["address"].startswith("s3://bucket/x/")  # type: ignore[index]


def test_a_run_over_the_limit_has_the_worst_and_says_how_many_are_left(
    two: ScanOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "RESULTS", 5)
    document = json.loads(text(two, "sarif"))
    (run,) = document["runs"]
    assert len(run["results"]) == 5
    assert [result["level"] for result in run["results"]] == ["error"] * 5
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert "13 more results are not in this file" in told[0]["message"]["text"]
    monkeypatch.setattr(junit, "LISTED", 3)
    for suite in check_junit(two):
        assert len(suite) == 5
        assert suite[-1][0].attrib["message"].startswith("6 more are not listed")


def test_same_keys_of_two_targets_are_two_cases(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(png(0.05, 1))
    (suite,) = check_junit(scan(tmp_path / "a", tmp_path / "b"))
    assert sum(len(case) for case in suite) >= 2


def test_every_output_says_whose_finding_it_is(two: ScanOutcome) -> None:
    """The order is by q and p: the two attributors' scores are no order."""
    assert [f.row.attributor for f in two.flagged] == ["dark/1"] * 8 + ["night/1"] * 8
    lines = [line for line in text(two, "table").splitlines() if "07.png" in line]
    assert any("dark/1" in line for line in lines)
    assert any("night/1" in line for line in lines)
    # The page has a section of findings for each.
    findings = text(two, "html").partition('<section id="findings">')[2].partition("</section>")[0]
    first, second = (findings.index(f"<h3>{name}</h3>") for name in ("dark/1", "night/1"))
    assert "07.png</code>" in findings[first:second]
    assert "07.png</code>" in findings[second:]
    assert "12 scored by 2 attributors (24 scores)" in summary_line(two)
    assert "12 scored by 2 attributors (24 scores)" in text(two, "html")
    alone = replace_cards(two)
    assert "attributor  " not in text(alone, "table").split("called")[-1]


def replace_cards(outcome: ScanOutcome) -> ScanOutcome:
    return scan(Path(outcome.request.targets[0].uri))


def test_html_names_every_finding_or_says_how_many_it_does_not(
    two: ScanOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = text(two, "html")
    assert whole.count('<tr class="of leak m0">') == 8
    monkeypatch.setattr(page, "NAMED", 3)
    assert "13 more findings, all less certain" in text(two, "html")


@pytest.mark.parametrize("both", [True, False], ids=["both", "one"])
def test_an_ignore_entry_that_matched_is_not_called_useless(tmp_path: Path, both: bool) -> None:
    (tmp_path / "x.png").write_bytes(png(0.05, 1))
    (found,) = scan(tmp_path).findings
    names = ("dark", "dark/1") if both else ("dark",)
    known = Suppressions(
        [Allowed(found.row.sha256, name, "ours", date(2999, 1, 1)) for name in names]
    )
    outcome = scan(tmp_path, suppress=known)
    assert known.warnings() == []
    assert summarise(outcome)["suppressed"] == 1


class Counted(Stream[Row]):
    """Counts how often all its items are read."""

    passes = 0

    def __iter__(self) -> Iterator[Row]:
        type(self).passes += 1
        return super().__iter__()


@pytest.mark.parametrize("form", ["junit", "html", "sarif", "table", "prometheus"])
@pytest.mark.parametrize("count", [1, 5])
def test_the_number_of_passes_does_not_grow_with_attributors(
    form: str, count: int, tmp_path: Path
) -> None:
    (tmp_path / "x.png").write_bytes(png(0.05, 1))
    outcome = scan(tmp_path, names=tuple(f"n{n}" for n in range(count)))
    held = list(outcome.findings)
    Counted.passes = 0
    outcome.findings = Counted(lambda: iter(held), len(held))  # type: ignore[arg-type,assignment]
    text(outcome, form)
    assert Counted.passes <= 1


@given(st.text())
def test_what_is_shown_moves_no_cursor(foreign: str) -> None:
    assert printable(foreign).isprintable()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", visible(foreign))
    stream = io.StringIO()
    write_columns([("NAME", "B"), (foreign, "x")], stream)
    assert stream.getvalue().count("\n") == 2
