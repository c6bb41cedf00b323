"""Scans of one ledger share a yearly level: contents are tested once, and verdicts stay."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flipad_ops.common.errors import StateError, UsageError
from flipad_ops.scanning.decisions.records import SAVED_FORMAT, Row
from flipad_ops.scanning.ledger.open_ledger import open_ledger, yearly_level
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise, verdict
from flipad_ops.scanning.outcome.verifier import families
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import conclude
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.outcome.test_family import foreign, row

YEARLY = 0.05


class Scanned:
    """What a scan said, read while its ledger was open."""

    def __init__(self, outcome: ScanOutcome, saved: Path | None) -> None:
        self.verdicts = {f.row.key: f.verdict for f in outcome.findings if f.verdict != "clear"}
        self.whys = {f.row.key: f.why for f in outcome.findings}
        self.q = {f.row.key: f.q for f in outcome.findings}
        self.facts, self.word, self.code = summarise(outcome), verdict(outcome), exit_code(outcome)
        self.called = [test.prefix for _, test in outcome.called]
        self.over_time, self.warnings = outcome.over_time, outcome.warnings
        if saved is not None:
            write_outputs(outcome, [("jsonl", saved), ("csv", saved.with_suffix(".csv"))])


def day(
    folder: Path,
    rows: list[Row],
    *,
    ended: int = 0,
    saved: Path | None = None,
    names: tuple[str, ...] = ("dark",),
    **changes: object,
) -> Scanned:
    """A scan whose rows are made up, with the ledger of the folder."""
    scorers = [DarkIsOurs(name=name, nulls=199) for name in names]
    targets = [open_target(str(folder))]
    plan = ScanPlan(targets, **{"yearly": YEARLY, **changes})  # type: ignore[arg-type]
    with open_ledger(str(folder / "s.db")) as ledger:
        ledger.begin(plan.fingerprint({f"{s.name}/1": s.card.attributor_sha256 for s in scorers}))
        for position, each in enumerate(rows):
            ledger.add(each, position)
        outcome = conclude(plan, scorers, ledger, ended)
        outcome.started, outcome.signal = "2026-01-05T02:15:00+00:00", ended
        return Scanned(outcome, saved)


def leak(name: str, p: float = 1e-7, folder: str = "own") -> Row:
    return row(f"{folder}/{name}", name, p, True)


def test_the_first_scan_decides_as_one_without_a_ledger(tmp_path: Path) -> None:
    rows = [*foreign(90), *(leak(f"o{i}", 0.0008) for i in range(10))]
    first = day(tmp_path, rows)
    alone = day(tmp_path, rows, yearly=0.0)
    assert first.verdicts == alone.verdicts
    assert set(first.verdicts.values()) == {"leak"}
    assert first.q == alone.q
    assert first.facts["over_time_said"].startswith("Day 1 of this ledger: 100 new tests at level")
    assert alone.facts["over_time_said"] == ""


def test_a_scan_of_nothing_new_costs_nothing_and_says_the_same(tmp_path: Path) -> None:
    rows = [*foreign(40), leak("a"), *(leak(f"g{i}", 0.02, "weak") for i in range(30))]
    first = day(tmp_path, rows)
    again = day(tmp_path, rows)
    assert (first.word, first.code) == (again.word, again.code) == ("leak", 3)
    assert again.verdicts == first.verdicts
    assert again.q == first.q
    assert first.called == again.called == ["weak"]
    assert "nothing new to test" in again.facts["over_time_said"]
    assert again.over_time is not None
    assert first.over_time is not None
    assert again.over_time.spent == first.over_time.spent
    later = day(tmp_path, [*rows, row("real/new", "new", 0.5, False)])
    assert later.over_time is not None
    assert (later.over_time.batch, later.over_time.tests) == (2, 1)
    assert later.verdicts == first.verdicts


def test_new_contents_have_to_be_beyond_chance_at_what_the_day_may_spend(tmp_path: Path) -> None:
    """A p that makes a leak of one scan alone makes none on the third day, and stays for review."""
    old = foreign(40)
    day(tmp_path, old)
    day(tmp_path, [*old, row("real/x", "x", 0.4, False)])
    third = day(tmp_path, [*old, leak("weak", 0.004)])
    assert third.verdicts == {"own/weak": "review"}
    assert "the share of this scan in its ledger's year" in third.whys["own/weak"]
    fourth = day(tmp_path, [*old, leak("weak", 0.004), leak("strong", 1e-6)])
    assert fourth.verdicts == {"own/weak": "review", "own/strong": "leak"}


def test_a_day_on_which_nothing_could_be_called_says_so(tmp_path: Path) -> None:
    """The calibration of 199 images: its smallest p is 0.005."""
    first = day(tmp_path, foreign(40))
    second = day(tmp_path, [*foreign(40), row("real/x", "x", 0.4, False)])
    assert not first.warnings
    (warning,) = second.warnings
    assert "no number of new images alone could be called" in warning
    assert second.facts["power"].startswith("This scan could not have called any number of leaks")
    assert not day(tmp_path, [*foreign(40), row("real/x", "x", 0.4, False)]).warnings


def test_behind_an_open_gate_the_rate_is_that_of_a_scan(tmp_path: Path) -> None:
    """One test that is beyond chance at the day's level: all are decided at the FDR."""
    old = foreign(40)
    day(tmp_path, old)
    day(tmp_path, [*old, row("real/x", "x", 0.4, False)])
    third = day(tmp_path, [*old, leak("weak", 0.004), leak("strong", 1e-6)])
    assert third.verdicts == {"own/weak": "leak", "own/strong": "leak"}
    assert "passed and so decided at FDR 0.01" in third.facts["over_time_said"]


def test_a_group_opens_the_gate_too(tmp_path: Path) -> None:
    old = foreign(40)
    day(tmp_path, old)
    weak = [leak(f"g{i}", 0.009, "weak") for i in range(60)]
    second = day(tmp_path, [*old, *weak])
    assert second.called == ["weak"]
    assert set(second.verdicts.values()) == {"leak"}
    assert second.over_time is not None
    assert min(second.q.values()) > second.over_time.level


def test_a_copy_of_what_was_tested_is_no_new_test(tmp_path: Path) -> None:
    first = day(tmp_path, [*foreign(40), leak("a")])
    copy = replace(leak("a"), key="elsewhere/copy")
    second = day(tmp_path, [*foreign(40), leak("a"), copy])
    assert second.verdicts == {"own/a": "leak", "elsewhere/copy": "leak"}
    assert first.over_time is not None
    assert second.over_time is not None
    assert second.over_time.spent == first.over_time.spent


def test_an_interrupted_scan_decides_nothing_and_the_one_that_goes_on_all(tmp_path: Path) -> None:
    rows = [*foreign(40), leak("a")]
    cut = day(tmp_path, [*rows[:10], leak("a")], ended=15)
    assert cut.verdicts == {"own/a": "review"}
    assert cut.whys["own/a"] == "Not decided before the scan is complete."
    assert cut.called == []
    assert "not decided before the scan is complete" in cut.facts["over_time_said"]
    whole = day(tmp_path, rows)
    assert whole.over_time is not None
    assert (whole.over_time.batch, whole.over_time.tests) == (1, 41)
    assert whole.verdicts == {"own/a": "leak"}


def test_a_batch_is_recorded_whole_or_not_at_all(tmp_path: Path) -> None:
    """Killed while it is written: the next scan finds nothing of it, and decides."""
    db = sqlite3.connect(tmp_path / "s.db")
    db.close()
    rows = [*foreign(5), leak("a")]
    day(tmp_path, rows, ended=9)
    db = sqlite3.connect(tmp_path / "s.db")
    db.execute("CREATE TRIGGER die AFTER INSERT ON tested WHEN NEW.content LIKE 'f%' BEGIN "
               "SELECT RAISE(ABORT, 'killed'); END")  # fmt: skip
    db.commit()
    with pytest.raises(sqlite3.IntegrityError):
        day(tmp_path, rows)
    assert db.execute("SELECT count(*) FROM batches").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM tested").fetchone() == (0,)
    db.execute("DROP TRIGGER die")
    db.commit()
    db.close()
    found = day(tmp_path, rows)
    assert found.over_time is not None
    assert (found.over_time.batch, found.verdicts) == (1, {"own/a": "leak"})


@pytest.mark.parametrize(
    "damage", ["UPDATE batches SET level = 'x'", "UPDATE batches SET called = '[[1]]'"]
)
def test_a_damaged_batch_is_told_in_a_sentence(damage: str, tmp_path: Path) -> None:
    day(tmp_path, foreign(5))
    db = sqlite3.connect(tmp_path / "s.db")
    db.execute(damage)
    db.commit()
    db.close()
    with pytest.raises(StateError, match="The ledger is damaged"):
        day(tmp_path, foreign(5))


def test_suppressed_contents_are_no_tests_and_are_tested_once_they_count(tmp_path: Path) -> None:
    rows = [*foreign(5), leak("a")]
    hidden = day(tmp_path, rows, suppress=lambda each: "known")
    assert hidden.over_time is not None
    assert hidden.over_time.tests == 5
    assert hidden.facts["suppressed"] == 1
    shown = day(tmp_path, rows)
    assert shown.over_time is not None
    assert (shown.over_time.batch, shown.over_time.tests) == (2, 1)
    assert shown.verdicts == {"own/a": "leak"}


def test_a_called_group_stays_as_long_as_its_images_are_there(tmp_path: Path) -> None:
    weak = [leak(f"g{i}", 0.02, "weak") for i in range(30)]
    first = day(tmp_path, [*foreign(40), *weak])
    assert (first.called, set(first.verdicts.values())) == (["weak"], {"review"})
    more = row("weak/new", "new", 0.9, False)
    assert day(tmp_path, [*foreign(40), *weak, more]).called == ["weak"]
    assert day(tmp_path, [*foreign(40), weak[0]]).called == []
    assert day(tmp_path, [*foreign(40), *weak], suppress=lambda each: "known").called == []


def test_another_attributor_is_a_batch_of_its_own(tmp_path: Path) -> None:
    rows = [*foreign(5), leak("a")]
    day(tmp_path, rows)
    others = [replace(each, attributor="other/1") for each in rows]
    both = day(tmp_path, [*rows, *others], names=("dark", "other"))
    assert both.over_time is not None
    assert (both.over_time.batch, both.over_time.tests) == (2, 6)


def test_a_saved_scan_is_decided_anew_by_the_batch_that_it_was(tmp_path: Path) -> None:
    old = [*foreign(20), leak("a")]
    day(tmp_path, old)
    path = tmp_path / "run.jsonl"
    news = [row(f"real/n{i}", f"n{i}", p, False) for i, p in enumerate(np.linspace(0.1, 1, 9))]
    day(tmp_path, [*old, *news, leak("b", 1e-6)], saved=path)
    assert json.loads(path.read_text().splitlines()[-1])["format"] == SAVED_FORMAT
    saved = load_outcome(path)
    assert saved.over_time is not None
    assert saved.over_time.batch == 2
    family = families(saved)["dark/1"]
    assert family.count == 10
    by_key = {finding.row.key: finding for finding in saved.findings}
    assert by_key["own/b"].q == family.q(1e-6)
    assert {by_key[key].batch for key in ("own/a", "real/0")} == {1}
    again = tmp_path / "again.jsonl"
    write_outputs(saved, [("jsonl", again)])
    assert json.loads(again.read_text().splitlines()[-1])["over_time"] == saved.over_time.to_dict()


def test_where_a_yearly_level_is_kept(tmp_path: Path) -> None:
    assert yearly_level(None, "s.db", 0.01) == YEARLY
    assert yearly_level(None, "s.db", 0.5) == 1.0
    assert yearly_level(0.0, "s.db", 0.01) == 0.0
    assert yearly_level(0.2, "s.db", 0.01) == 0.2
    for state in (None, "delta://x", "s3://bucket/ledger"):
        assert yearly_level(None, state, 0.01) == 0.0
        with pytest.raises(UsageError, match="--state FILE"):
            yearly_level(0.05, state, 0.01)
