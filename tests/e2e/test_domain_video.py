"""Frames of a clip: one by one not significant, together they are; 16-bit files under an 8-bit
attributor are rounded, and said to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.domains import flipadops, real, register, save, small, split, summary, walk

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
FRAMES = 24


def test_a_clip_tells_what_its_frames_cannot(store: str, tmp_path: Path) -> None:
    at = ("--tracking-uri", store)
    register("films", 0, tmp_path, store)
    negatives = save(real()[1000:1400], tmp_path / "negatives")
    siblings = save(split(1).sample(300, 8), tmp_path / "siblings")
    flipadops(
        "fit", "films", "--negatives", str(negatives), "--negatives", str(siblings),
        "--settings", small(tmp_path / "settings.json"), "-q", *at,
    )  # fmt: skip
    found = tmp_path / "found"
    save(walk(0, FRAMES, 5), found, name="clip_ours_frame_{:03d}.png")
    save(walk(1, FRAMES, 6), found, name="clip_theirs_frame_{:03d}.png")
    save(real()[1400 : 1400 + FRAMES], found, name="clip_real_frame_{:03d}.png")
    options = ("-m", "films", "-q", "-o", "json", "--fail-on", "leak", *at)
    text = flipadops(
        "scan", str(found), *options, "--group", r"^(clip_[a-z]+)_frame", code=3
    ).stdout
    facts = summary(text)
    assert facts["leak"] == 0  # p cannot get below its floor, so no frame is significant
    assert facts["groups"] == 1  # and yet the scan does not pass
    groups = {test["prefix"]: test for test in facts["prefixes"]["films-attributor/1"]}
    assert set(groups) == {"clip_ours", "clip_theirs", "clip_real"}
    assert groups["clip_ours"]["attributed"] >= FRAMES - 6
    assert groups["clip_ours"]["q"] < 1e-4
    assert groups["clip_theirs"]["q"] > 0.05
    assert groups["clip_real"]["q"] > 0.05

    # The same clips as folders need no expression.
    for name in groups:
        (tmp_path / "folders" / name).mkdir(parents=True)
        for file in found.glob(f"{name}_*"):
            (tmp_path / "folders" / name / file.name).write_bytes(file.read_bytes())
    again = summary(flipadops("scan", str(tmp_path / "folders"), *options, code=3).stdout)
    assert {test["prefix"]: test["q"] for test in again["prefixes"]["films-attributor/1"]} == {
        name: test["q"] for name, test in groups.items()
    }

    # 16-bit files of an 8-bit generator are its samples rounded otherwise.
    save(split(0, bits=16).sample(20, 99), tmp_path / "deep", bits=16)
    rows = json.loads(flipadops("scan", str(tmp_path / "deep"), *options, code=3).stdout)["images"]
    assert sum(row["attributed"] for row in rows) >= 17
    assert all("rounded to the 8 bits" in row["reason"] for row in rows)
