"""The page at `/`: everything of the tables, and inert, in a real browser."""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from selenium.webdriver.common.by import By
from sqlalchemy.exc import OperationalError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.receiver import create_app
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.schedules import Schedule
from registry_hooks.schema import DONE, FAILED
from tests.browser import chromium
from tests.registry_hooks.asgi import call

EVIL = "gan<script>document.title='owned'</script><img src=x onerror=alert(1)>"
SAID = "1 of 61 images scanned; 60 skipped for their size."
SETTINGS = HookSettings()
CONFIG = SETTINGS.config_sha256()
SCHEDULES = [
    Schedule("nightly", "0 2 * * *", ("s3://uploads/new",), ("faces@champion",)),
    Schedule("weekly", "0 3 * * 0", ("s3://archive",)),
]


@pytest.fixture
def app(work: FitQueue, tmp_path: Path) -> Any:
    work.enqueue([(EVIL, 1), ("gan", 2), ("gan", 3), ("gan", 4)], CONFIG)
    for state, fields in (
        (FAILED, {"reason": f"No split in {EVIL}.", "error": "NotAttributable"}),
        (DONE, {"attributor": "gan-attributor/2"}),
    ):
        claim = work.claim("w", CONFIG)
        assert claim is not None
        work.finish(claim, state, **fields)
    assert work.claim("host:1:2", CONFIG)
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
    return create_app(work, SETTINGS, "a secret of some length", schedules=SCHEDULES)


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
            assert not browser.find_elements(By.CSS_SELECTOR, "img, script, a")
            # The one style sheet passes the policy, and nothing is wider than the window.
            card = browser.find_element(By.CLASS_NAME, "counts")
            assert card.value_of_css_property("display") == "flex"
            wide = "return document.documentElement.scrollWidth <= window.innerWidth"
            assert browser.execute_script(wide)
            browser.save_screenshot(str(tmp_path / "status.png"))
    finally:
        server.should_exit = True
        thread.join()


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
