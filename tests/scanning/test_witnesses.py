"""What the second witness says, from the scorer through ledger and outputs and back."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable, write_deltalake
from PIL import Image
from torch import Tensor

from flipad_ops.attribution.scorer import Remaker, ScoreBatch
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.errors import StateError, UsageError
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.outcome.saved import load_outcome
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import exit_code, summarise, summary_line, verdict
from flipad_ops.scanning.outputs import output_format, write_outputs
from flipad_ops.scanning.pipeline.batches import join
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.ledger.test_sqlite_ledger import scan as scan_with
from tests.scanning.pipeline.test_pipeline import Slow
from tests.scanning.remaking import Enlarger, noisy_picture, own_picture


def jpeg(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], quality: int = 70) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def objects() -> dict[str, bytes]:
    """One image for each way in which two witnesses can speak, and one nobody asks about."""
    return {
        "both.png": encode_png(own_picture(1, 16)),
        "compressed.jpg": jpeg(own_picture(2, 16, 0.3)),
        "first.png": encode_png(noisy_picture(3, 16)),
        "neither.png": encode_png(noisy_picture(4, 16, 0.35)),
        "bright.png": encode_png(noisy_picture(5, 16, 0.5)),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "found"
    root.mkdir()
    for name, data in objects().items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def outcome(folder: Path) -> ScanOutcome:
    plan = ScanPlan([open_target(str(folder))], workers=0, batch_size=2, fdr=0.05)
    return run_scan(plan, [Enlarger((3, 16, 16))])


def text(outcome: ScanOutcome, name: str) -> str:
    stream = io.StringIO()
    output_format(name).write(outcome, stream)
    return stream.getvalue()


def test_a_finding_says_who_spoke(outcome: ScanOutcome) -> None:
    said = {f.row.key: (f.verdict, f.why) for f in outcome.findings}
    assert said["both.png"] == (
        "leak", "Two witnesses: the last layer's input and the remade image (as made)."
    )  # fmt: skip
    verdict, why = said["compressed.jpg"]
    assert (verdict, why.startswith("The remade image (altered: JPEG 70) is the")) == ("leak", True)
    verdict, why = said["first.png"]
    assert verdict == "clear"
    assert why.startswith("Not attributed. Only the last layer's input looks like")
    assert "times as far as allowed" in why
    assert said["neither.png"] == said["bright.png"] == ("clear", "")
    rows = {f.row.key: f.row for f in outcome.findings}
    assert rows["bright.png"].testimony is None
    assert "testimony" not in rows["bright.png"].to_dict()


def test_what_both_witnesses_accept_never_passes_unasked(folder: Path) -> None:
    """By default: not significant among so many, for review, and yet no exit 0."""
    (folder / "compressed.jpg").unlink()
    plan = ScanPlan([open_target(str(folder))], workers=0, fdr=1e-4)
    outcome = run_scan(plan, [Enlarger((3, 16, 16))])
    assert [(f.row.key, f.verdict) for f in outcome.flagged] == [("both.png", "review")]
    assert outcome.called == []
    codes = {how: exit_code(outcome, how) for how in ("leak", "accepted", "review", "never")}  # type: ignore[arg-type]
    assert codes == {"leak": 0, "accepted": 3, "review": 3, "never": 0}
    assert (exit_code(outcome), verdict(outcome), summarise(outcome)["accepted"]) == (
        3,
        "review",
        1,
    )
    for said in (summary_line(outcome), text(outcome, "table"), text(outcome, "html")):
        assert "1 of them accepted by both witnesses" in said
    (result,) = json.loads(text(outcome, "sarif"))["runs"][0]["results"]
    assert result["level"] == "error"
    assert ET.fromstring(text(outcome, "junit"))[0].attrib["failures"] == "1"


def test_what_one_witness_accepts_is_for_review(folder: Path) -> None:
    for key in ("both.png", "first.png"):
        (folder / key).unlink()
    plan = ScanPlan([open_target(str(folder))], workers=0, fdr=1e-4)
    outcome = run_scan(plan, [Enlarger((3, 16, 16))])
    assert [(f.row.key, f.verdict) for f in outcome.flagged] == [("compressed.jpg", "review")]
    assert (exit_code(outcome), exit_code(outcome, "review")) == (0, 3)


def test_suppressed_images_gate_nothing(folder: Path) -> None:
    plan = ScanPlan([open_target(str(folder))], workers=0, fdr=1e-4, suppress=lambda row: "ours")
    assert exit_code(run_scan(plan, [Enlarger((3, 16, 16))]), "review") == 0


def test_outputs_name_witnesses_and_alteration(outcome: ScanOutcome, tmp_path: Path) -> None:
    (run,) = json.loads(text(outcome, "sarif"))["runs"]
    by_key = {r["properties"]["key"]: r for r in run["results"] if r["ruleId"] != "group"}
    assert by_key["compressed.jpg"]["properties"]["alteration"] == "JPEG 70"
    assert "altered: JPEG 70" in by_key["compressed.jpg"]["message"]["text"]
    assert by_key["both.png"]["properties"]["witnesses"] == "both"
    messages = [node.attrib["message"] for node in ET.fromstring(text(outcome, "junit")).iter()
                if "message" in node.attrib]  # fmt: skip
    assert any("altered: JPEG 70" in message for message in messages)
    table = text(outcome, "table")
    assert "The second witness makes each image again." in table
    assert "remade, altered: JPEG 70" in table
    assert "both, as made" in table
    lines = {line["key"]: line for line in csv.DictReader(io.StringIO(text(outcome, "csv")))}
    assert lines["compressed.jpg"]["witnesses"] == "second"
    assert lines["compressed.jpg"]["alteration"] == "JPEG 70"
    assert float(lines["compressed.jpg"]["remade_ratio"]) <= 1
    assert lines["bright.png"]["witnesses"] == ""
    write_outputs(outcome, [("parquet", tmp_path / "rows.parquet")])
    import pyarrow.parquet as pq

    typed = {row["key"]: row for row in pq.read_table(tmp_path / "rows.parquet").to_pylist()}
    assert typed["both.png"]["remade_psnr"] > 30
    assert len(typed["both.png"]["latent_sha256"]) == 64
    images = {image["key"]: image for image in json.loads(text(outcome, "json"))["images"]}
    assert Testimony.from_dict(images["both.png"]["testimony"]).latents().shape == (3, 8, 8)


def test_a_saved_scan_keeps_what_was_said(outcome: ScanOutcome, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    write_outputs(outcome, [("jsonl", path)])
    again = load_outcome(path)
    assert [f.row for f in again.findings] == [f.row for f in outcome.findings]
    assert again.cards["dark/1"].remade_null == outcome.cards["dark/1"].remade_null
    for name in ("table", "csv", "sarif", "junit", "html"):
        again.seconds = outcome.seconds = 0.0
        assert text(again, name) == text(outcome, name), name
    path.write_text(path.read_text().replace('"ratio": ', '"ratio": -'))
    with pytest.raises(UsageError, match=r"is not the jsonl of a scan: .* no valid 'ratio'"):
        list(load_outcome(path).findings)


def test_a_scan_without_a_second_witness_is_written_as_before(tmp_path: Path) -> None:
    target = Slow(objects())
    outcome = run_scan(ScanPlan([target], workers=0), [DarkIsOurs((3, 16, 16))])
    for line in text(outcome, "jsonl").splitlines():
        record = json.loads(line)
        assert "testimony" not in record
        assert not {"remade_own", "remade_null", "second_witness"} & set(record.get("card", {}))


def test_lists_of_findings_hold_no_latents(outcome: ScanOutcome) -> None:
    flagged = outcome.of("leak")
    assert len(flagged) == 2
    assert all(f.row.testimony is not None and not f.row.testimony.latent for f in flagged)
    latents = [f.row.testimony.latent for f in outcome.notable() if f.row.testimony is not None]
    assert all(latents)


def test_the_cost_of_stages_is_summed(outcome: ScanOutcome, tmp_path: Path) -> None:
    stages = summarise(outcome)["stages"]
    assert {name: stage["images"] for name, stage in stages.items()} == {"views": 5, "remake": 4}
    assert stages["remake"]["seconds"] > 0
    assert "views 5 in 0.0 s, remake 4 in" in summary_line(outcome)
    write_outputs(outcome, [("jsonl", tmp_path / "run.jsonl")])
    assert summarise(load_outcome(tmp_path / "run.jsonl"))["stages"] == stages


def test_batches_are_joined_with_and_without_testimony() -> None:
    import torch

    with_, without = Enlarger().score(torch.zeros(2, 3, 8, 8)), DarkIsOurs().score(
        torch.zeros(1, 3, 8, 8)
    )  # fmt: skip
    both = join([without, with_])
    assert both.testimony is not None
    assert [one is None for one in both.testimony] == [True, False, False]
    assert join([without]).testimony is None
    assert join([without]).stages is None


@pytest.fixture(params=["sqlite", "delta"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "s.db") if request.param == "sqlite" else f"delta://{tmp_path}/ledger"


class Unasked(Enlarger):
    """Whose scores are all known."""

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        raise AssertionError("scored again")


def test_a_ledger_keeps_it_for_the_same_bytes(state: str) -> None:
    target = Slow(objects())
    first = scan_with(target, state, Enlarger((3, 16, 16))).rows
    assert sum(row.testimony is not None for row in first) == 4
    assert scan_with(target, state, Enlarger((3, 16, 16))).rows == first
    target.objects = {f"copy/{key}": data for key, data in target.objects.items()}
    copies = scan_with(target, state, Unasked((3, 16, 16))).rows
    assert [row.testimony for row in copies] == [row.testimony for row in first]


def test_a_ledger_of_before_is_opened(state: str) -> None:
    """One without the column, as versions before the second witness made it."""
    target = Slow(objects())
    first = scan_with(target, state, DarkIsOurs((3, 16, 16))).rows
    (older_table if state.startswith("delta") else older_file)(state)
    target.reads.clear()
    assert scan_with(target, state, DarkIsOurs((3, 16, 16))).rows == first
    assert target.reads == []
    target.objects = {"new.png": encode_png(own_picture(9, 16))}
    both = (DarkIsOurs((3, 16, 16)), Enlarger((3, 16, 16), name="second"))
    scan_with(target, state, *both)
    target.reads.clear()
    plain, with_second = scan_with(target, state, *both).rows
    assert target.reads == []
    assert plain.testimony is None
    assert with_second.testimony is not None


def older_file(state: str) -> None:
    db = sqlite3.connect(state)
    db.executescript("DROP INDEX stating; ALTER TABLE rows DROP COLUMN stated;")
    db.execute("ALTER TABLE rows DROP COLUMN testimony")
    db.executescript("DROP TABLE batches; DROP TABLE tested;")
    db.execute("PRAGMA user_version = 1")
    db.close()


def older_table(state: str) -> None:
    folder = state.removeprefix("delta://")
    table = DeltaTable(folder)
    kept, rows = table.metadata().configuration, table.to_pyarrow_table()
    shutil.rmtree(folder)
    older = rows.drop_columns(["testimony", "stated"])
    DeltaTable.create(folder, older.schema, configuration=kept, raise_if_key_not_exists=False)
    write_deltalake(folder, older, mode="append")


def test_a_damaged_testimony_in_a_ledger_is_told(tmp_path: Path) -> None:
    state = str(tmp_path / "s.db")
    scan_with(Slow(objects()), state, Enlarger((3, 16, 16)))
    with sqlite3.connect(state) as db:
        db.execute("UPDATE rows SET testimony = '{' WHERE testimony IS NOT NULL")
    db.close()
    with pytest.raises(StateError, match="The ledger is damaged"):
        scan_with(Slow(objects()), state, Enlarger((3, 16, 16)))


def test_the_fake_is_a_remaker() -> None:
    assert isinstance(Enlarger(), Remaker)
    assert not isinstance(DarkIsOurs(), Remaker)
