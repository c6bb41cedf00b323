"""Messages about findings and failures: told once, in order, to real servers."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from registry_hooks.channels import Channel
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.messages import render
from registry_hooks.notifier import Notifier
from registry_hooks.scan_jobs import ScanQueue
from registry_hooks.scan_run import read_findings
from registry_hooks.schedules import RECORDS, Schedule
from registry_hooks.schema import DONE, FAILED, QUEUED, Notice
from registry_hooks.senders import ID, SIGNATURE, TIMESTAMP, NotSent, send
from registry_hooks.signature import sign
from tests.registry_hooks.listeners import Posted, http_server, smtp_server

KEY = "a secret of some length"
EVIL = "own/<!channel>`@all`\r\nSubject: x\x1b[31m.png"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posted]:
    monkeypatch.setenv("KEY", KEY)
    with http_server() as posted:
        monkeypatch.setenv("URL", posted.url)
        yield posted


def webhook(url: str, **changes: Any) -> Channel:
    return Channel("hook", "webhook", url=url, secret_env="KEY", **changes)


class Watched:
    """A notifier over a table in which scans can be made to have ended."""

    def __init__(self, work: FitQueue, folder: Path, *channels: Channel) -> None:
        names = tuple(channel.name for channel in channels)
        schedule = Schedule("n", "0 2 * * *", ("x",), on_finding=names, on_failure=names)
        self.work, self.folder, self.table = work, folder, ScanQueue(work.sessions)
        self.table.sync([schedule])
        by_name = {channel.name: channel for channel in channels}
        self.notifier = Notifier(work, by_name, [schedule], names, threading.Event())

    def scan(self, *keys: str, code: int = 3, **fields: Any) -> None:
        start = self.table.start("n", self.folder)
        assert start is not None
        folder = Path(str(start.folder))
        folder.mkdir(parents=True)
        with (folder / RECORDS).open("w") as lines:
            for key in keys:
                row = {"type": "image", "key": key, "sha256": key, "attributor": "a/1", "q": 0.01}
                row |= {"verdict": "leak", "p": 0.001, "score": 1.5, "suppressed": ""}
                lines.write(json.dumps(row) + "\n")
            for odd in ({"verdict": "clear"}, {"verdict": "leak", "suppressed": "allowed"}):
                lines.write(json.dumps({"type": "image", "key": "no", **odd}) + "\n")
        found = list(read_findings(folder))
        counts = {"leaks": len(keys), "scored": 9}
        self.table.end(start, exit_code=code, findings=found, **counts, **fields)

    def states(self) -> list[str]:
        return [notice.state for notice in reversed(self.notifier.outbox.newest())]

    def hurry(self) -> None:
        """Let the wait before another try be over."""
        with self.work.sessions.begin() as session:
            session.execute(update(Notice).values(due=0.0))


def test_a_finding_is_told_once_and_signed_as_mlflow_signs(
    work: FitQueue, tmp_path: Path, server: Posted
) -> None:
    watched = Watched(work, tmp_path, webhook(server.url))
    watched.scan("a.png", "b.png")
    watched.notifier.step()
    watched.scan("a.png", "b.png")
    watched.scan("b.png", "c.png")
    # Another process, which remembers nothing.
    watched.notifier = Watched(work, tmp_path, webhook(server.url)).notifier
    watched.notifier.step()
    watched.notifier.step()
    bodies = [json.loads(body) for _, body in server.requests]
    assert [[f["key"] for f in body["findings"]] for body in bodies] == [
        ["a.png", "b.png"],
        ["c.png"],
    ]
    headers, body = server.requests[0]
    delivery, stamp = headers[ID.lower()], headers[TIMESTAMP.lower()]
    assert headers[SIGNATURE.lower()] == sign(KEY, delivery, stamp, body)
    assert json.loads(body)["id"] == delivery
    assert watched.states() == [DONE, DONE]


@pytest.mark.parametrize("code", [3, 4])
def test_a_message_says_how_much_was_looked_at(
    code: int, work: FitQueue, tmp_path: Path, server: Posted
) -> None:
    """A result is nothing without its coverage; messages from before have none."""
    said = "1 of 61 images scanned; 60 skipped for their size."
    watched = Watched(work, tmp_path, webhook(server.url))
    watched.scan(*(["a.png"] if code == 3 else []), code=code, said=said, reason="Incomplete.")
    watched.notifier.step()
    (notice,) = watched.notifier.outbox.newest()
    assert notice.payload is not None
    assert said in render(notice.payload)[1]
    del notice.payload["scan"]["said"]
    assert "Records: " in render(notice.payload)[1]


def test_a_failed_attempt_is_repeated_under_the_same_id(
    work: FitQueue, tmp_path: Path, server: Posted, caplog: pytest.LogCaptureFixture
) -> None:
    # A redirect is no arrival, and is not followed.
    server.answers = [500, 302]
    slack = Channel("hook", "slack", url_env="URL")
    watched = Watched(work, tmp_path, slack)
    watched.scan("a.png")
    with caplog.at_level(logging.DEBUG):
        for _ in range(4):
            watched.notifier.step()
            watched.hurry()
    assert len(server.requests) == 3
    assert watched.states() == [DONE]
    assert "answer 500" in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name == "flipad.hooks"]
    assert not any("a-secret-path" in line or KEY in line for line in ours)


def test_a_channel_that_is_away_is_given_up_with_a_reason(work: FitQueue, tmp_path: Path) -> None:
    def away(*_: Any) -> None:
        raise NotSent("ConnectionError")

    watched = Watched(work, tmp_path, Channel("c", "slack", url_env="URL"))
    watched.notifier._send = away
    watched.scan("a.png")
    for _ in range(10):
        watched.notifier.step()
        watched.hurry()
    (notice,) = watched.notifier.outbox.newest()
    assert (notice.state, notice.attempts, notice.reason) == (FAILED, 8, "ConnectionError")


def test_more_than_the_limit_waits(work: FitQueue, tmp_path: Path, server: Posted) -> None:
    watched = Watched(work, tmp_path, webhook(server.url, per_hour=2))
    for number in range(5):
        watched.scan(f"{number}.png")
    watched.notifier.step()
    assert len(server.requests) == 2
    assert watched.states() == [DONE, DONE, QUEUED, QUEUED, QUEUED]
    watched.notifier.outbox.clock = lambda: work.clock() + 3601
    watched.notifier.step()
    assert len(server.requests) == 4


def test_failed_scans_and_fits_are_told(work: FitQueue, tmp_path: Path, server: Posted) -> None:
    watched = Watched(work, tmp_path, webhook(server.url))
    watched.scan(code=4, reason="Incomplete.")
    for version in (1, 2):
        work.enqueue([("gan", version)], "c")
        claim = work.claim("w", "c")
        assert claim is not None
        work.finish(claim, FAILED, reason="The gate said no.", error="GateFailed")
        watched.notifier.step()
        watched.notifier.step()
    bodies = [json.loads(body) for _, body in server.requests]
    assert [body["event"] for body in bodies] == ["scan_failed", "fit_failed", "fit_failed"]
    assert bodies[0]["scan"]["reason"] == "Incomplete."
    assert [body["failures"][0]["version"] for body in bodies[1:]] == [1, 2]


def test_chosen_names_are_inert_in_slack(work: FitQueue, tmp_path: Path, server: Posted) -> None:
    watched = Watched(work, tmp_path, Channel("hook", "slack", url_env="URL"))
    watched.scan(EVIL)
    watched.notifier.step()
    text = json.loads(server.requests[0][1])["text"]
    assert text.startswith("*1 new suspected leak: schedule n*\n```\n")
    assert "own/&lt;!channel&gt;'@all'" in text
    assert text.count("`") == 6
    assert "\x1b" not in text
    assert "\r" not in text


@pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
def test_mail_through_apprise_and_a_real_mail_server(
    work: FitQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with smtp_server() as (port, mails):
        url = (
            f"mailto://127.0.0.1:{port}?from=flipad@example.org&to=owner@example.org&mode=insecure"
        )
        monkeypatch.setenv("MAIL", url)
        channel = Channel("mail", "apprise", url_env="MAIL")
        channel.check()
        watched = Watched(work, tmp_path, channel)
        watched.scan(EVIL)
        watched.notifier.step()
    (mail,) = mails
    assert mail["subject"] == "1 new suspected leak: schedule n"
    assert "owner@example.org" in mail["to"]
    part = mail.get_body(("plain",))
    assert part is not None
    assert "own/<!channel>`@all`" in part.get_content()
    with pytest.raises(NotSent, match="could not deliver"):
        send(channel, "id", {"event": "test", "new": 0})  # the server is gone


def test_own_templates_and_templates_that_fail() -> None:
    payload = {"event": "test", "new": 3}
    assert render(payload, "{{ new }}\nnew", "b") == ("3 new", "b")
    # What asks for too much gets our own words.
    for bad in ("{{ bogus }}", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}"):
        assert render(payload, bad)[0] == "Test message of flipad_ops"
