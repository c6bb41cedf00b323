"""The HTML report: complete, inert and readable, in a real browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from torch import Tensor

from flipad_ops.attribution.scorer import Illustrate, Likeness
from flipad_ops.common.errors import GeneratorUnavailable
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.outcome.cards import card_from_dict, card_to_dict
from flipad_ops.scanning.outcome.exhibits import collect_exhibits, reference_exhibit
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.report import page as page_module
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
    assert text.count('class="exhibit ') == 6
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
    assert text.count('class="exhibit witnessed ') == 2
    assert "remade, altered: JPEG 70" in text
    assert "remade, as made" in text
    assert text.count("difference × 8") == 2
    assert text.count('class="strip"') == 2
    assert len(text.partition('<dt>latent</dt><dd class="hash">')[2].partition("<")[0]) == 16
    assert "both witnesses accept it" in text
    assert "accepted by the remade image alone" in text
    assert 'id="remade"' in text
    unconfirmed = text.partition('id="unconfirmed"')[2].partition("</table>")[0]
    assert "first.png" in unconfirmed
    assert unconfirmed.count("<tr>") == 2  # its head too
    assert "views 5 images in 0.0 s, remake 4 images" in text


def test_a_page_without_a_second_witness_does_not_speak_of_one(page: Path) -> None:
    shown = page.read_text().partition("</style>")[2]
    assert "witness" not in shown
    assert "for the eye" not in shown


def likened(outcome: ScanOutcome, scorers: list[DarkIsOurs]) -> list[tuple[str, int, int]]:
    """Every pictured finding gets an image one grey level brighter; what was told of it."""
    said: list[tuple[str, int, int]] = []

    def illustrate(images: Tensor, told: Callable[[int, int], None]) -> list[Likeness]:
        told(len(images), len(images))
        eight = ((images + 1 / 255).permute(0, 2, 3, 1) * 255).round().byte().numpy()
        return [Likeness(each, 48.1 - n, 41.5) for n, each in enumerate(eight)]

    outcome.exhibits = collect_exhibits(
        outcome,
        scorers,
        illustrators=lambda name: illustrate,
        told=lambda *words: said.append(words),
    )
    return said


def test_a_remade_image_for_the_eye_decides_nothing(tmp_path: Path) -> None:
    for index in range(3):
        save(tmp_path / "found" / f"{index}.png", 0.05)
    plan, scorers = ScanPlan(targets=[open_target(str(tmp_path / "found"))]), [DarkIsOurs()]
    outcome = run_scan(plan, scorers)
    before = [replace(finding) for finding in outcome.findings]
    said = likened(outcome, scorers)
    assert said == [
        ("remake findings for the report", 0, 0),
        ("remake findings for the report", 3, 3),
    ]
    assert [vars(f) for f in outcome.findings] == [vars(f) for f in before]
    write_outputs(outcome, [("html", tmp_path / "report.html"), ("jsonl", tmp_path / "run.jsonl")])
    text = (tmp_path / "report.html").read_text()
    assert text.count('class="exhibit likened ') == 3
    assert text.count('class="likeness"') == text.count("difference × 8") == 3
    assert [f"remade for the eye, {n}.1 dB" in text for n in (46, 47, 48)] == [True] * 3
    assert text.count("to 41.5 dB of new images of its own") == 3
    assert text.count('id="for-the-eye"') == 1
    assert "nearest remade first" in text
    assert "witness" not in text.partition("</style>")[2]
    assert "eye" not in (tmp_path / "run.jsonl").read_text()


def test_what_a_second_witness_made_again_is_not_sought_for_the_eye(tmp_path: Path) -> None:
    (tmp_path / "found").mkdir()
    for name, data in objects().items():
        (tmp_path / "found" / name).write_bytes(data)
    plan = ScanPlan(targets=[open_target(str(tmp_path / "found"))], workers=0, fdr=0.05)
    scorers: list[DarkIsOurs] = [Enlarger((3, 16, 16))]
    outcome = run_scan(plan, scorers)
    assert likened(outcome, scorers) == []
    assert outcome.exhibits
    assert all(exhibit.likeness is None for exhibit in outcome.exhibits)


def test_why_nothing_is_shown_for_the_eye(tmp_path: Path) -> None:
    save(tmp_path / "found" / "0.png", 0.05)
    scorers = [DarkIsOurs(), DarkIsOurs(name="dusk")]
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path / "found"))]), scorers)

    def illustrators(name: str) -> Illustrate:
        if name == "dark/1":
            raise GeneratorUnavailable("The generator night/3 is gone.")
        raise RuntimeError("CUDA out of memory.\nTried to allocate much.")

    outcome.exhibits = collect_exhibits(outcome, scorers, illustrators=illustrators)
    assert len(outcome.exhibits) == 2
    assert sorted(outcome.warnings[-2:]) == [
        "The report shows no remade images for dark/1: The generator night/3 is gone.",
        "The report shows no remade images for dusk/1: CUDA out of memory.",
    ]


@pytest.mark.parametrize(
    ("target", "key", "address"),
    [
        ("s3://b/x", "a/1.png", "s3://b/x/a/1.png"),
        ("/data/x/", "1.png", "/data/x/1.png"),
        ("s3://b/x/1.png", "1.png", "s3://b/x/1.png"),
        ("1.png", "1.png", "1.png"),
        ("t/x.parquet", "x.parquet/rows-0-9/3", "t/x.parquet/rows-0-9/3"),
        ("/lists/m.jsonl", "s3://b/1.png", "s3://b/1.png"),
        ("/data/x", "x/1.png", "/data/x/x/1.png"),
    ],
    ids=["bucket", "folder", "object", "file", "table", "manifest", "same name"],
)
def test_addresses_are_what_one_would_type(target: str, key: str, address: str) -> None:
    assert page_module.address(Row(key, target, 1, "scored", "dark/1")) == address


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
    said = browser.find_element(By.TAG_NAME, "h1").text
    assert said == "Suspected leak of night/3: 6 images and 1 group as a whole"
    found = [element.text for element in browser.find_elements(By.CSS_SELECTOR, "figure .address")]
    assert f"{page.parent / 'found' / 'own' / EVIL}" in found
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 2 * 7 + 1
    assert all(widths)
    assert len(browser.find_elements(By.TAG_NAME, "svg")) == 2


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A page on leaks and reviews of two attributors, with a long key."""
    for index in range(4):
        save(tmp_path / "found" / "own" / f"{index}.png", 0.05)
    save(tmp_path / "found" / ("long-" * 40 + ".png"), 0.05)
    scorers = [DarkIsOurs(), DarkIsOurs(name="dusk")]
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path / "found"))]), scorers)
    assert isinstance(outcome.findings, Collection)
    outcome.suspects = [
        replace(finding, verdict="review") if finding.row.key == "own/1.png" else finding
        for finding in outcome.notable()
    ]
    outcome.exhibits = collect_exhibits(outcome, scorers)
    write_outputs(outcome, [("html", tmp_path / "report.html")])
    return tmp_path / "report.html"


@pytest.mark.e2e
def test_findings_are_filtered_and_sorted_without_a_script(
    mixed: Path, browser: webdriver.Chrome
) -> None:
    browser.get(mixed.as_uri())

    def shown(css: str) -> list[WebElement]:
        return [e for e in browser.find_elements(By.CSS_SELECTOR, css) if e.is_displayed()]

    def choose(text: str) -> None:
        browser.find_element(By.XPATH, f"//label[.='{text}']").click()

    assert (len(shown("figure.exhibit")), len(shown("tr.of"))) == (10, 10)
    choose("for review")
    assert (len(shown("figure.exhibit")), len(shown("tr.of"))) == (2, 2)
    assert {e.text for e in shown("figure .badge")} == {"REVIEW"}
    choose("of dusk/1")
    assert len(shown("figure.exhibit")) == 5
    choose("all")
    choose("by address")
    first = shown("figure.exhibit")[:5]
    tops = {
        e.find_element(By.CLASS_NAME, "address").text: (e.rect["y"], e.rect["x"]) for e in first
    }
    assert sorted(tops) == sorted(tops, key=lambda address: tops[address])


@pytest.mark.e2e
def test_nothing_is_wider_than_a_phone(mixed: Path, browser: webdriver.Chrome) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    browser.get(mixed.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    printed = browser.print_page()
    assert base64.b64decode(printed).startswith(b"%PDF")


def test_findings_beyond_a_page_are_in_further_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "NAMED", 3)
    for index in range(8):
        save(tmp_path / "found" / f"{index}.png", 0.05)
    outcome = run_scan(ScanPlan(targets=[open_target(str(tmp_path / "found"))]), [DarkIsOurs()])
    signed = list[str]()
    outputs = [("html", tmp_path / "a b.html")]
    assert not write_outputs(outcome, outputs, lambda path, _: signed.append(path.name))
    assert signed == ["a b.html", "a b-2.html", "a b-3.html"]
    texts = [(tmp_path / name).read_text() for name in signed]
    assert "5 more findings" in texts[0]
    assert 'href="a%20b-2.html"' in texts[0]
    assert 'href="a%20b.html"' in texts[2]
    named = [sum(f"/{index}.png</code>" in text for index in range(8)) for text in texts]
    assert named == [3, 3, 2]


@pytest.mark.e2e
def test_remade_images_are_shown_in_a_browser(witnessed: Path, browser: webdriver.Chrome) -> None:
    browser.get(witnessed.as_uri())
    for css in ("remade", "difference"):
        pictures = browser.find_elements(By.CLASS_NAME, css)
        assert [picture.get_property("naturalWidth") for picture in pictures] == [16, 16]
    browser.set_window_size(500, 900)
    strips = browser.find_elements(By.CLASS_NAME, "strip")
    assert all(100 < strip.size["width"] < 500 for strip in strips)
