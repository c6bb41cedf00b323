"""Greyscale with 16 bits: a scan keeps all of them, and says so where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flipad_ops.generators import SIXTEEN_BIT
from tests.e2e.domains import flipadops, real, register, save, small, split, summary

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_sixteen_bit_images_are_scanned_at_full_precision(store: str, tmp_path: Path) -> None:
    at = ("--tracking-uri", store)
    register("scans", 0, tmp_path, store, "--bits", "16")
    assert "16 bit" in flipadops("doctor", "scans", *at).stdout
    photos = SIXTEEN_BIT.round(real())
    negatives = save(photos[1000:1400], tmp_path / "negatives", bits=16)
    siblings = save(split(1, bits=16).sample(300, 8), tmp_path / "siblings", bits=16)
    fitted = flipadops(
        "fit", "scans", "--negatives", str(negatives), "--negatives", str(siblings),
        "--settings", small(tmp_path / "settings.json"), "--json", "-q", *at,
    )  # fmt: skip
    assert json.loads(fitted.stdout)["evaluation"]["tpr"]["value"] > 0.9

    own = split(0, bits=16).sample(40, 99)
    save(own, tmp_path / "found" / "own", bits=16)
    save(own, tmp_path / "found" / "own-tiff", name="{:04d}.tiff", bits=16)
    save(photos[1400:1440], tmp_path / "found" / "real", bits=16)
    save(own[:5], tmp_path / "found" / "cut", bits=8)
    text = flipadops(
        "scan", str(tmp_path / "found"), "-m", "scans", "-q", "-o", "json",
        "-o", f"html={tmp_path / 'report.html'}", "--fail-on", "review", *at, code=3,
    ).stdout  # fmt: skip
    groups = {test["prefix"]: test for test in summary(text)["prefixes"]["scans-attributor/1"]}
    assert groups["own"]["attributed"] >= 36
    assert groups["own"]["q"] < 1e-3
    assert groups["real"]["attributed"] <= 4
    # An 8-bit copy hides how it was rounded: left out with a reason, not guessed.
    assert summary(text)["skipped"] == 5
    assert "8-bit file; the attributor was fitted to 16-bit samples." in text
    # TIFF and PNG hold the same pixels, so they have the same scores.
    scores = {row["key"]: row["score"] for row in json.loads(text)["images"] if row["score"]}
    for number in range(40):
        png, tiff = f"own/{number:04d}.png", f"own-tiff/{number:04d}.tiff"
        assert scores[png] == pytest.approx(scores[tiff], rel=1e-6)
