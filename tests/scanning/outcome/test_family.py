"""The family of tests: distinct contents that count, of all attributors together."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summary_line, verdict
from flipad_ops.scanning.outcome.verifier import families
from flipad_ops.scanning.outputs import output_format, write_outputs
from flipad_ops.scanning.pipeline.run import conclude
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs


def row(key: str, content: str, p: float, attributed: bool, attributor: str = "dark/1") -> Row:
    return Row(
        key, "t", 1, "scored", attributor, sha256=content.ljust(64, "-"),
        score=p, p=p, attributed=attributed, converged=True,
    )  # fmt: skip


def decide(folder: Path, rows: list[Row], *names: str, **changes: object) -> ScanOutcome:
    """Decisions over rows made up, as the end of a scan makes them."""
    scorers = [DarkIsOurs(name=name, nulls=199) for name in names or ("dark",)]
    plan = ScanPlan([open_target(str(folder))], **changes)  # type: ignore[arg-type]
    ledger = SqliteLedger()
    ledger.begin(plan.fingerprint({f"{s.name}/1": s.card.attributor_sha256 for s in scorers}))
    for position, each in enumerate(rows):
        ledger.add(each, position)
    outcome = conclude(plan, scorers, ledger)
    outcome.started = "2026-01-05T02:15:00+00:00"
    return outcome


def foreign(count: int, attributor: str = "dark/1") -> list[Row]:
    levels = np.linspace(0.2, 1.0, count)
    return [row(f"real/{i}", f"f{i}", levels[i], False, attributor) for i in range(count)]


def test_copies_of_one_image_are_one_test(tmp_path: Path) -> None:
    """Sixty copies of one attributed image: q = 0.005 * 41, as if it were stored once."""
    copies = [row(f"own/{i}", "same", 0.005, True) for i in range(60)]
    outcome = decide(tmp_path, [*foreign(40), *copies])
    found = outcome.of("leak", "review")
    assert len(found) == 60
    assert {f.verdict for f in found} == {"review"}
    assert [f.q for f in found] == pytest.approx([0.005 * 41] * 60)
    once = decide(tmp_path, [*foreign(40), copies[0]])
    assert once.of("review")[0].q == found[0].q
    assert "too coarse for 41 tests" in found[0].why


def test_copies_of_foreign_images_do_not_dilute_either(tmp_path: Path) -> None:
    same = [row(f"real/copy{i}", "f0", 0.2, False) for i in range(500)]
    own = [row("own/1", "o", 0.005, True)]
    assert decide(tmp_path, [*foreign(1), *same, *own], fdr=0.01).of("leak")[0].q == 0.01


def test_what_is_suppressed_lends_no_significance(tmp_path: Path) -> None:
    """Twelve new ones at p = 0.0075 among 1,000 are no leaks, however many are known."""
    known = [row(f"old/{i}", f"k{i}", 0.005, True) for i in range(3000)]
    new = [row(f"new/{i}", f"n{i}", 0.0075, True) for i in range(12)]
    rows = [*foreign(988), *known, *new]

    def suppress(asked: Row) -> str:
        return "known from the baseline" if asked.sha256[0] == "k" else ""

    assert len(decide(tmp_path, rows).of("leak")) == 3012
    outcome = decide(tmp_path, rows, suppress=suppress)
    assert outcome.of("leak") == []
    assert [f.q for f in outcome.of("review")] == pytest.approx([0.0075 * 1000 / 12] * 12)
    assert outcome.tally.suppressed == 3000
    hidden = next(f for f in outcome.findings if f.suppressed)
    assert hidden.q == pytest.approx(min(0.005 * 1001, 0.0075 * 1001 / 13))  # were it counted too
    # The groups of what is suppressed are not tested either.
    (tests,) = outcome.prefixes.values()
    assert [test.prefix for test in tests] == ["new", "real"]


def test_all_attributors_are_one_family(tmp_path: Path) -> None:
    """Ten attributors that ask an image are ten tests."""
    names = [f"a{i:02d}" for i in range(10)]
    rows = [each for name in names for each in foreign(10, f"{name}/1")]
    rows += [row("own/1", "o", 0.005, True, "a00/1")]
    outcome = decide(tmp_path, rows, *names, fdr=0.1)
    (found,) = outcome.of("leak", "review")
    assert (found.q, found.verdict) == (pytest.approx(0.005 * 101), "review")


def test_rows_without_a_hash_are_contents_of_their_own(tmp_path: Path) -> None:
    rows = [replace(each, sha256="") for each in foreign(9)]
    outcome = decide(tmp_path, [*rows, row("own/1", "o", 0.005, True)])
    assert outcome.of("review")[0].q == pytest.approx(0.05)


def test_a_saved_scan_is_decided_anew_by_its_own_rules(tmp_path: Path) -> None:
    """With copies, suppressed contents and two attributors; format 1 knew none of these."""
    rows = [*foreign(30), row("own/1", "o", 0.005, True), row("own/2", "o", 0.005, True)]
    rows += [row("known/1", "k", 0.005, True), *foreign(30, "other/1")]
    outcome = decide(
        tmp_path,
        rows,
        "dark",
        "other",
        suppress=lambda row: "known" if row.sha256[0] == "k" else "",
    )
    path = tmp_path / "run.jsonl"
    write_outputs(outcome, [("jsonl", path)])
    saved = load_outcome(path)
    family = families(saved)["dark/1"]
    assert family.tests == {"dark/1": 31, "other/1": 30}
    for finding in saved.findings:
        p = finding.row.p or 1.0
        assert finding.q == (family.q_beside(p) if finding.suppressed else family.q(p))
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    earlier = families(load_outcome(path))
    assert [(name, each.count) for name, each in earlier.items()] == [
        ("dark/1", 33), ("other/1", 30),
    ]  # fmt: skip


def text(outcome: ScanOutcome, name: str) -> str:
    stream = io.StringIO()
    output_format(name).write(outcome, stream)
    return stream.getvalue()


def test_a_called_group_is_a_finding_everywhere(tmp_path: Path) -> None:
    """Thirty images none of which is significant alone, in one folder: the folder is."""
    own = [row(f"own/{i}", f"o{i}", 0.005, True) for i in range(30)]
    outcome = decide(tmp_path, [*foreign(170), *own], fdr=5e-4)
    assert outcome.of("leak") == []
    ((_, test),) = outcome.called
    assert (test.prefix, test.attributed, test.scanned) == ("own", 30, 30)
    assert (verdict(outcome), exit_code(outcome), exit_code(outcome, "never")) == ("leak", 3, 0)
    assert "1 groups called" in summary_line(outcome)
    assert "LEAK: 0 leaks, 1 groups called, 30 for review" in text(outcome, "table")
    lines = [json.loads(line) for line in text(outcome, "jsonl").splitlines()]
    (group,) = (line for line in lines if line["type"] == "group")
    assert (group["prefix"], group["attributor"], group["called"]) == ("own", "dark/1", True)
    outcome.request = replace(outcome.request, targets=[Named("t")])  # type: ignore[list-item]
    (result,) = (
        each
        for each in json.loads(text(outcome, "sarif"))["runs"][0]["results"]
        if each["ruleId"] == "group"
    )
    assert result["level"] == "error"
    assert "30 of 30 images of the group are attributed" in result["message"]["text"]
    where = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert where == "t/own/0"
    suite = ET.fromstring(text(outcome, "junit"))[0]
    assert suite.attrib["failures"] == "1"
    assert [case.attrib["name"] for case in suite if case.find("failure") is not None] == [
        "group own"
    ]
    page = text(outcome, "html")
    assert ": 1 group as a whole" in page
    assert "30 of 30 images of the group" in page.partition('id="groups"')[2]
    assert 'flipad_scan_groups_called{models="dark/1",targets="t"} 1.0' in text(
        outcome, "prometheus"
    )


def test_copies_of_one_false_alarm_make_no_group(tmp_path: Path) -> None:
    copies = [row(f"real/copy{i}", "same", 0.005, True) for i in range(60)]
    outcome = decide(tmp_path, [*foreign(40), *copies], fdr=0.01)
    assert outcome.called == []
    assert [(t.scanned, t.attributed) for t in outcome.prefixes["dark/1"]] == [(41, 1)]


def test_groups_are_tested_at_the_upper_bound_of_the_worst_rate(tmp_path: Path) -> None:
    """Not at the rate that was measured, which is 0 here."""
    outcome = decide(tmp_path, foreign(40))
    (test,) = outcome.prefixes["dark/1"]
    _, _, high = outcome.cards["dark/1"].measured["photos"]
    assert test.expected == pytest.approx(40 * high)


class Named:
    """A target of rows made up."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def address(self, key: str) -> str:
        return f"{self.uri}/{key}"
