"""The page at `/`: everything of the tables, and inert, in a real browser."""

from __future__ import annotations

import json
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium.webdriver.common.by import By
from sqlalchemy.exc import OperationalError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.log_files import SHOWN, log_end
from registry_hooks.receiver import create_app
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import RECORDS, Schedule
from registry_hooks.schema import DONE, FAILED
from registry_hooks.status_page import model_page
from tests.browser import chromium
from tests.registry_hooks.asgi import call

EVIL = "gan<script>document.title='owned'</script><img src=x onerror=alert(1)>"
EVIL_URI = f"models:/{EVIL}/1".replace("'", "'\"'\"'")
SAID = "1 of 61 images scanned; 60 skipped for their size."
REGISTRY = "http://reader:hidden@mlflow.internal:5000/"
SETTINGS = HookSettings(registry=REGISTRY)
CONFIG = SETTINGS.config_sha256()
SECRET = "a secret of some length"
REMEDY = "State the latent <b>with</b> your own shape."
SCHEDULES = [
    Schedule("nightly", "0 2 * * *", ("s3://uploads/new",), ("faces@champion",)),
    Schedule("weekly", "0 3 * * 0", ("s3://archive",)),
]


@pytest.fixture
def app(work: FitQueue, tmp_path: Path) -> Any:
    work.enqueue([(EVIL, 1), ("gan", 2), ("gan", 3), ("gan", 4)], CONFIG)
    for state, fields in (
        (
            FAILED,
            {
                "reason": f"No split in {EVIL}.",
                "error": "NotAttributable",
                "figures": {"remedy": REMEDY},
                "log": "/etc/hostname",
            },
        ),
        (DONE, {"attributor": "gan-attributor/2", "figures": {"tpr": 0.985, "fpr": 0.0125}}),
    ):
        claim = work.claim("w", CONFIG)
        assert claim is not None
        work.finish(claim, state, **fields)
    running = work.claim("host:1:2", CONFIG)
    assert running is not None
    (tmp_path / "fit.log").write_text("load\nnegatives 20/160\ntrain 3/4 \x1b[31m<i>\n\n")
    work.note(running, log=str(tmp_path / "fit.log"))
    table = ScanQueue(work.sessions)
    table.sync(SCHEDULES)
    table.pause("weekly")
    for fields in (
        {"exit_code": 3, "verdict": "leak", "leaks": 7, "scored": 100, "said": SAID},
        {"exit_code": 4, "reason": "Incomplete: access denied."},
    ):
        start = table.start("nightly", tmp_path)
        assert start is not None
        table.end(start, **fields)
    settings = replace(SETTINGS, logs=str(tmp_path))
    return create_app(work, settings, SECRET, schedules=SCHEDULES)


@pytest.mark.e2e
def test_the_page_in_a_browser(app: Any, tmp_path: Path) -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        with chromium(tmp_path) as browser:
            browser.get(f"http://127.0.0.1:{port}/")
            texts = {
                part: browser.find_element(By.ID, part).text
                for part in ("counts", "failures", "queue", "schedules", "scans", "versions")
            }
            assert browser.title == "1 failed, 2 open · flipad_ops hooks"
            assert texts["counts"].split() == (
                ["1", "queued", "1", "running", "1", "done", "1", "failed", "0", "skipped"]
            )
            assert f"{EVIL}/1" in texts["failures"]
            assert "NotAttributable" in texts["failures"]
            assert "host:1:2" in texts["queue"]
            assert "gan/4 queued" in texts["queue"]
            assert "paused" in texts["schedules"]
            assert f"leak\n{SAID} 100 7 0" in texts["scans"]
            assert "access denied" in texts["scans"]
            assert "gan/2 gan-attributor/2" in texts["versions"]
            assert not browser.find_elements(By.CSS_SELECTOR, "img, script")
            assert REMEDY in texts["failures"]
            assert f"flipadops hooks retry '{EVIL_URI}'" in texts["failures"]
            assert "train 3/4 \\x1b[31m<i>" in texts["queue"]
            assert "98.5% 1.2%" in texts["versions"]
            links = [
                str(each.get_attribute("href"))
                for each in browser.find_elements(By.CSS_SELECTOR, "a")
            ]
            ours = (f"http://127.0.0.1:{port}/", "http://mlflow.internal:5000/#/models/")
            assert links
            assert all(link.startswith(ours) for link in links)
            assert f"{ours[1]}gan-attributor/versions/2" in links
            bars = browser.find_elements(By.CSS_SELECTOR, ".trend rect")
            assert [bar.get_attribute("class") for bar in bars] == ["bad", "warn"]
            # The one style sheet passes the policy, and nothing is wider than the window.
            card = browser.find_element(By.CLASS_NAME, "counts")
            assert card.value_of_css_property("display") == "flex"
            wide = "return document.documentElement.scrollWidth <= window.innerWidth"
            assert browser.execute_script(wide)
            browser.save_screenshot(str(tmp_path / "status.png"))
    finally:
        server.should_exit = True
        thread.join()


def test_logs_are_read_below_their_folder_alone(app: Any, tmp_path: Path) -> None:
    assert call(app, "/fits/3/log").text.startswith("load\nnegatives 20/160\ntrain 3/4 \\x1b")
    # A row of the table that names another file, no row, and no number of a row.
    for path in ("/fits/1/log", "/fits/99/log", f"/fits/{'9' * 30}/log", "/scans/1/log"):
        assert call(app, path).status == 404
    (tmp_path / "fit.log").unlink()
    (tmp_path / "fit.log").symlink_to("/etc/hostname")
    assert call(app, "/fits/3/log").status == 404


def test_a_long_log_is_shown_by_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 200_000 + "\nlast\n")
    text = log_end(tmp_path / "a.log", tmp_path)
    assert text is not None
    assert len(text) == SHOWN
    assert text.endswith("x\nlast\n")


def test_two_scans_are_compared(work: FitQueue, tmp_path: Path) -> None:
    scans = ScanQueue(work.sessions)
    scans.sync(SCHEDULES)
    for keys, code in (("ab", 3), ("", 4), ("bc", 3)):
        scan = scans.start("nightly", tmp_path)
        assert scan is not None
        folder = Path(str(scan.folder))
        folder.mkdir(parents=True)
        rows = [
            {"type": "image", "verdict": "leak", "attributor": "a/1", "sha256": key,
             "key": f"{key}<script>", "p": 0.001, "q": 0.01}
            for key in keys
        ]  # fmt: skip
        text = "".join(json.dumps(row) + "\n" for row in [*rows, {"type": "summary"}])
        (folder / RECORDS).write_text(text)
        scans.end(scan, exit_code=code, leaks=len(keys), scored=9)
    app = create_app(work, replace(SETTINGS, logs=str(tmp_path)), SECRET, schedules=SCHEDULES)
    page = call(app, "/scans/3").text  # beside the first: the second ended badly
    new, gone, known = page.index("1 new"), page.index("1 gone"), page.index("1 known")
    places = [page.index(f"<td>{key}&lt;script&gt;") for key in "cab"]
    assert new < places[0] < gone < places[1] < known < places[2]
    assert 'href="1"' in page
    first = call(app, "/scans/1").text
    assert "2 new" in first
    (folder / RECORDS).unlink()
    assert "nothing to compare" in call(app, "/scans/3").text
    assert call(app, "/scans/77").status == 404
    off = create_app(work, HookSettings(status_page=False), SECRET)
    assert call(off, "/scans/3").status == 404


@pytest.mark.parametrize(
    ("registry", "name", "page"),
    [
        pytest.param(
            "https://u:p@host/sub/", "a/b/3", "https://host/sub/#/models/a%2Fb/versions/3", id="url"
        ),
        pytest.param("sqlite:///mlflow.db", "a/3", "", id="no server"),
        pytest.param(None, "a/3", "", id="none stated"),
        pytest.param("http://host", None, "", id="no name"),
        pytest.param(
            "http://host", "javascript:1/2", "http://host/#/models/javascript%3A1/versions/2",
            id="a scheme for a name",
        ),
    ],
)  # fmt: skip
def test_links_lead_to_the_registry_alone(registry: str | None, name: str, page: str) -> None:
    assert model_page(registry, name) == page


def test_results_stand_with_their_coverage(app: Any) -> None:
    assert SAID in call(app, "/").text


def test_an_empty_house_has_a_page(work: FitQueue) -> None:
    reply = call(create_app(work, SETTINGS, "a secret of some length"), "/")
    assert reply.status == 200
    assert "Nothing waits." in reply.text


def test_it_can_be_turned_off_and_says_when_the_table_is_away(
    app: Any, work: FitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("BEGIN", {}, Exception("locked"))

    off = create_app(work, HookSettings(status_page=False), "a secret of some length")
    assert call(off, "/").status == 404
    assert call(app, "/", method="POST").status == 405
    monkeypatch.setattr(work, "rows", away)
    assert call(app, "/").status == 503
