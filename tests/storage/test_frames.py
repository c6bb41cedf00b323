"""Animations as groups of frames: scanned, kept in the ledger, found again as evidence."""

from __future__ import annotations

import io
import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flipad_ops.common.errors import TargetError
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.evidence import Evidence
from flipad_ops.scanning.pipeline.run import run_scan
from flipad_ops.scanning.plan.samples_within import with_frames
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import open_target
from flipad_ops.storage.selection import Selection
from tests.scanning.fakes import DarkIsOurs


def clip(level: int, count: int = 6, kind: str = "PNG") -> bytes:
    """An animation of almost plain frames."""
    images = [Image.fromarray(np.full((8, 8, 3), level + n, np.uint8)) for n in range(count)]
    held = io.BytesIO()
    images[0].save(held, kind, save_all=True, append_images=images[1:], lossless=True)
    return held.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "found"
    place.mkdir()
    (place / "dark.png").write_bytes(clip(10))
    (place / "light.webp").write_bytes(clip(180, kind="WEBP"))
    (place / "still.png").write_bytes(clip(10, count=1))
    (place / "words.gif").write_bytes(b"GIF89a, says it")
    return place


def request(place: Path, frames: int | None) -> ScanPlan:
    return with_frames(
        ScanPlan([open_target(str(place))], workers=0, selection=Selection(frames=frames))
    )


def test_a_clip_is_tested_as_a_group(folder: Path, tmp_path: Path) -> None:
    with closing(SqliteLedger(tmp_path / "ledger.db")) as ledger:
        outcome = run_scan(request(folder, 4), [DarkIsOurs()], ledger=ledger)
        rows = {f.row.key: f.row for f in outcome.findings}
        chosen = (0, 1, 3, 4)
        named = [f"{file}/frame-{n:04d}" for file in ("dark.png", "light.webp") for n in chosen]
        assert list(rows) == [*named, "still.png"]
        assert [row.key for row in outcome.skipped] == ["words.gif"]
        levels = [rows[key].score for key in named[:4]]
        assert levels == pytest.approx([(10 + n) / 255 for n in chosen])
        groups = {test.prefix: test.attributed for test in outcome.prefixes["dark/1"]}
        assert groups["dark.png"] == 4
        assert groups["light.webp"] == 0
        again = run_scan(request(folder, 4), [DarkIsOurs()], ledger=ledger)
        assert again.reused == 10
        evidence = Evidence(request(folder, 4).targets, 10**6)
        assert evidence.find(rows["dark.png/frame-0003"])
        (folder / "dark.png").write_bytes(clip(90))
        with pytest.raises(TargetError, match="is not what was scored"):
            Evidence(request(folder, 4).targets, 10**6).find(rows["dark.png/frame-0003"])


def test_without_the_option_the_first_frame_counts_and_nothing_is_told(folder: Path) -> None:
    plain = request(folder, None)
    assert plain.selection.describe() == {}
    outcome = run_scan(plain, [DarkIsOurs()])
    assert {f.row.key for f in outcome.findings} == {"dark.png", "light.webp", "still.png"}
    assert Selection(frames=4).describe() == {"frames": 4}


def test_one_file_by_name_and_filters_by_file(folder: Path) -> None:
    alone = request(folder / "dark.png", 2)
    row = next(iter(run_scan(alone, [DarkIsOurs()]).findings)).row
    assert row.key == "dark.png/frame-0000"
    assert Evidence(alone.targets, 10**6).find(row)
    sent = pickle.loads(pickle.dumps(alone.targets[0]))
    (item, _) = sent.parts(next(sent.list()))
    assert sent.read(item, 10**6).data == alone.targets[0].read(item, 10**6).data
    chosen = request(folder, 2)
    chosen = replace(chosen, selection=replace(chosen.selection, include=("*.webp",)))
    keys = [f.row.key for f in run_scan(chosen, [DarkIsOurs()]).findings]
    assert keys == ["light.webp/frame-0000", "light.webp/frame-0003"]
