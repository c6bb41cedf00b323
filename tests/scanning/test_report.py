"""The HTML report: complete, inert and readable, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.browser import chromium
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_run import save

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
