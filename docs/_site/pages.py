"""MkDocs hook: pages made at build time, so that no text stands in two places.

README, CHANGELOG, CONTRIBUTING, SECURITY and the benchmarks' results become pages under another
name; the command line's page comes from the commands, the Python pages from the packages. Links
between files of the repository are turned into links between pages.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

from cli_page import render_cli  # MkDocs puts this folder on the path while it loads the hook
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
#: Files of the repository that become pages, by their place on the site.
SHOWN = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "reporting.md": "SECURITY.md",
}
RESULTS = "benchmarks/results"
ALONE = "    options: {show_submodules: false}\n"
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the benchmarks' results under Results."""
    results = [place for place in _shown() if place.startswith("results/")]
    section = next(entry for entry in config.nav or [] if "Results" in entry)
    section["Results"] += [place for place in results if place.endswith(".md")]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made."""
    for place, source in _shown().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    made = {"reference/cli.md": render_cli()}
    made |= {place: _api(Path(place).stem) for place in _nav(config.nav) if "/api/" in place}
    made |= {f"{book.stem}.md": _notebook(book) for book in (ROOT / "docs").glob("*.ipynb")}
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to files of the repository become links to their pages.

    Raises
    ------
    PluginError
        A link to what is neither a page nor a picture of the site.
    """
    here = page.file.src_uri
    source = _shown().get(here, f"docs/{here}")
    places = {each: place for place, each in _shown().items()}

    def link(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = places.get(path) or path.removeprefix("docs/")
        if files.get_file_from_path(place) is None:
            raise PluginError(f"{source}: {target} is no page of the site.")
        return f"]({posixpath.relpath(place, posixpath.dirname(here) or '.')}{anchor})"

    return _LINK.sub(link, markdown)


def _shown() -> dict[str, str]:
    results = sorted((ROOT / RESULTS).glob("*.md")) + sorted((ROOT / RESULTS).glob("*.svg"))
    return SHOWN | {f"results/{file.name}": f"{RESULTS}/{file.name}" for file in results}


def _notebook(path: Path) -> str:
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _api(package: str) -> str:
    # The root's own names; its packages have pages of their own.
    alone = "" if "." in package or package == "registry_hooks" else ALONE
    return f"# `{package}`\n\n::: {package}\n{alone}"


def _nav(entry: object) -> list[str]:
    """Every path of the navigation."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, dict):
        return _nav(list(entry.values()))
    return [path for each in entry for path in _nav(each)] if isinstance(entry, list) else []
