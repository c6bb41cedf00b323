"""The HTML report: complete, inert and readable, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from flipad_ops.scanning.outcome.cards import card_from_dict, card_to_dict
from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.report.remade import AMPLIFIED, difference, strip
from flipad_ops.storage import open_target
from tests.browser import chromium
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_run import save
from tests.scanning.remaking import Enlarger
from tests.scanning.test_witnesses import objects

EVIL = "<script>document.title='owned'<.png"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    for index in range(5):
        save(tmp_path / "found" / "own" / f"{index}.png", 0.05)
        save(tmp_path / "found" / "real" / f"{index}.png", 0.7)
    save(tmp_path / "found" / "own" / EVIL, 0.05)
    (tmp_path / "found" / "x<img src=x onerror=alert(1)>.png").write_bytes(b"no image")
    scorer = DarkIsOurs()
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path / "found"))]), [scorer])
    outcome.exhibits = collect_exhibits(outcome, [scorer])
    outcome.reference = reference_exhibit([scorer])
    write_outputs(outcome, [("html", tmp_path / "report.html")])
    return tmp_path / "report.html"


def test_page_is_one_file_without_scripts_or_links(page: Path) -> None:
    text = page.read_text()
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text
    assert text.count('class="exhibit"') == 6
    assert page.stat().st_size < 10_000_000


def test_page_says_how_many_origins_and_what_was_not_tested(tmp_path: Path) -> None:
    save(tmp_path / "found" / "0.png", 0.05)
    scorer = DarkIsOurs()
    (stratum,) = scorer.card.strata
    known = {stratum: 3}
    scorer.card = replace(scorer.card, origins=known, lacking="Among the foreign: no relative.")
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path / "found"))]), [scorer])
    saved = card_from_dict(json.loads(json.dumps(card_to_dict(scorer.card))))
    assert (saved.origins, saved.lacking) == (known, scorer.card.lacking)
    write_outputs(outcome, [("html", tmp_path / "report.html")])
    text = (tmp_path / "report.html").read_text()
    assert f"{stratum}: {scorer.card.strata[stratum]} of 3 origins" in text
    assert "no relative" in text


def test_page_says_what_an_adversary_can_do(page: Path) -> None:
    how = page.read_text().partition("<h2>How to read this</h2>")[2]
    evasion, framing = (how.partition(f'id="{name}"')[2].split("</p>")[0] for name in
                        ("evasion", "framing"))  # fmt: skip
    assert "may still be the generator's" in evasion
    assert "noise of about one grey level" in evasion
    assert "does not say who made an image" in framing
    assert "until it is attributed" in framing
    assert "docs/adversaries.md" in how


def test_changed_objects_are_not_pictured(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 0.05)
    scorer = DarkIsOurs()
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path))]), [scorer])
    save(tmp_path / "a.png", 0.06)
    assert collect_exhibits(outcome, [scorer]) == []


@pytest.fixture
def witnessed(tmp_path: Path) -> Path:
    """A page on what two witnesses say, of an object each."""
    (tmp_path / "found").mkdir()
    for name, data in objects().items():
        (tmp_path / "found" / name).write_bytes(data)
    plan = ScanPlan(targets=[open_target(str(tmp_path / "found"))], workers=0, fdr=0.05)
    outcome = run_scan(plan, [Enlarger((3, 16, 16))])
    outcome.exhibits = collect_exhibits(outcome, [Enlarger((3, 16, 16))])
    write_outputs(outcome, [("html", tmp_path / "report.html")])
    return tmp_path / "report.html"


def test_a_second_witness_is_shown_beside_the_finding(witnessed: Path) -> None:
    text = witnessed.read_text()
    assert text.count('class="exhibit witnessed"') == 2
    assert "remade, altered: JPEG 70" in text
    assert "remade, as made" in text
    assert text.count("difference × 8") == 2
    assert text.count('class="strip"') == 2
    assert len(text.partition(">latent ")[2].partition("<")[0]) == 16
    assert 'id="remade"' in text
    unconfirmed = text.partition('id="unconfirmed"')[2].partition("</table>")[0]
    assert "first.png" in unconfirmed
    assert unconfirmed.count("<tr>") == 2
    assert "views 5 images in 0.0 s, remake 4 images" in text


def test_a_page_without_a_second_witness_does_not_speak_of_one(page: Path) -> None:
    assert "witness" not in page.read_text().partition("</style>")[2]


def test_differences_are_amplified_and_bounded() -> None:
    dark = np.zeros((2, 2, 3), np.uint8)
    assert difference(dark, dark + 3).max() == 3 * AMPLIFIED
    assert difference(dark + 200, dark).min() == 255
    assert difference(dark, dark + 200).min() == 255


def test_a_strip_without_calibration_is_left_out() -> None:
    assert strip((), (), 0.5) == ""
    assert "NaN" not in strip((0.5, float("inf")), (float("nan"), 3.0), 0.0)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path) as chrome:
        yield chrome


@pytest.mark.e2e
def test_hostile_key_is_inert_in_a_browser(page: Path, browser: webdriver.Chrome) -> None:
    browser.get(page.as_uri())
    assert browser.title.startswith("LEAK")
    assert "Suspected leak: 6 images" in browser.find_element(By.ID, "verdict").text
    keys = [element.text for element in browser.find_elements(By.CLASS_NAME, "keyname")]
    assert f"own/{EVIL}" in keys
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 2 * 7 + 1
    assert all(widths)
    assert len(browser.find_elements(By.TAG_NAME, "svg")) == 2


@pytest.mark.e2e
def test_remade_images_are_shown_in_a_browser(witnessed: Path, browser: webdriver.Chrome) -> None:
    browser.get(witnessed.as_uri())
    for css in ("remade", "difference"):
        pictures = browser.find_elements(By.CLASS_NAME, css)
        assert [picture.get_property("naturalWidth") for picture in pictures] == [16, 16]
    browser.set_window_size(500, 900)
    strips = browser.find_elements(By.CLASS_NAME, "strip")
    assert all(100 < strip.size["width"] < 500 for strip in strips)
