"""The docs site builds without a warning, hangs together, and needs nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer.main
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from flipad_ops.cli.app import app
from tests.browser import chromium

ROOT = Path(__file__).parents[2]
#: Attributes from which a browser loads something without being asked.
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}

pytestmark = pytest.mark.slow


@dataclass
class Page(HTMLParser):
    """Anchors, links, loaded files and text of one page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found[name] or "" for name in ("id", "name") if name in found}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        if address := found.get(LOADS.get(tag, "")):
            self.loaded.append(address)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT / "mkdocs.yml", out)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING  -" not in done.stderr
    return out


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    found = {}
    for file in sorted(site.rglob("*.html")):
        found[file] = Page()
        found[file].feed(file.read_text(encoding="utf-8"))
    return found


def test_every_page_is_there(site: Path) -> None:
    for name in ("index", "tutorial", "concepts", "security", "limits", "results/quality",
                 "reference/cli", "reference/api/flipad_ops.scanning"):  # fmt: skip
        assert (site / f"{name}.html").stat().st_size > 5_000, name


def test_internal_links_resolve(site: Path, pages: dict[Path, Page]) -> None:
    checked = 0
    for file, page in pages.items():
        if file.name == "404.html":  # served for any path, so its addresses are absolute
            continue
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.is_file(), f"{file.relative_to(site)}: {address}"
            if parts.fragment and target.suffix == ".html":
                assert parts.fragment in pages[target].ids, f"{file.relative_to(site)}: {address}"
            checked += 1
    assert checked > 1_000


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        assert page.loaded, file
        remote = [address for address in page.loaded if urlsplit(address).netloc]
        assert not remote, f"{file.relative_to(site)}: {remote}"
    styles = list(site.rglob("*.css"))
    assert styles
    for file in [*styles, *pages]:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), file


def test_the_command_page_is_what_the_program_says(site: Path) -> None:
    page = Page()
    page.feed((site / "reference" / "cli.html").read_text(encoding="utf-8"))
    text = " ".join("".join(page.words).split())
    seen = 0

    def check(name: str, command: object) -> None:
        nonlocal seen
        assert f"{name} [" in text, name
        first = " ".join(command.help.split("\n\n")[0].split())  # type: ignore[attr-defined]
        assert first in text, name
        for parameter in command.params:  # type: ignore[attr-defined]
            names = [word for word in parameter.opts if word.startswith("-")]
            assert all(word in text for word in names), names
            assert " ".join((parameter.help or "").split()) in text, names
            seen += 1
        for word, child in getattr(command, "commands", {}).items():
            check(f"{name} {word}", child)

    check("flipadops", typer.main.get_command(app))
    assert seen > 80


def test_the_search_works_from_a_folder(site: Path, tmp_path: Path) -> None:
    found = ".md-search-result__item"
    with chromium(tmp_path) as browser:
        browser.get(f"{(site / 'reference' / 'cli.html').as_uri()}?q=quantisation")
        wait = WebDriverWait(browser, 60)
        wait.until(lambda now: now.find_elements(By.CSS_SELECTOR, found))
        texts = [each.text for each in browser.find_elements(By.CSS_SELECTOR, found)]
    assert any(text.startswith("Glossary") for text in texts)


@pytest.mark.parametrize(
    ("name", "line"), [("anchor", "[x](scan.md#no-such-part)"), ("page", "[x](no-such-page.md)")]
)
def test_a_broken_link_fails_the_build(tmp_path: Path, name: str, line: str) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text(f"# Start\n\n{line}\n")
    (pages / "scan.md").write_text("# Scan\n\n[back](index.md)\n")
    text = (ROOT / "mkdocs.yml").read_text()
    settings = text[text.index("validation:") : text.index("\nnav:")]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\n{settings}")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    assert "no-such" in done.stderr
