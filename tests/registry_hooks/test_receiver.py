"""Deliveries as MLflow sends them, and as nobody should."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.receiver import BODY_LIMIT, create_app
from registry_hooks.schema import QUEUED
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, sign
from tests.bad_inputs.deliveries import IGNORED, NOW, REFUSED, event
from tests.registry_hooks.asgi import Reply, call

KEY = "a secret of some length"


class Site:
    """The application with a stopped clock."""

    def __init__(self, table: FitQueue) -> None:
        self.table, self.wakes = table, 0
        settings = HookSettings(exclude=("scratch",))
        self.app = create_app(table, settings, KEY, wake=self._wake, clock=lambda: float(NOW))

    def _wake(self) -> None:
        self.wakes += 1

    def post(
        self, body: bytes, delivery_id: str = "d-1", timestamp: int = NOW, **named: Any
    ) -> Reply:
        stamp = str(timestamp)
        headers = {
            ID: delivery_id,
            TIMESTAMP: stamp,
            SIGNATURE: sign(KEY, delivery_id, stamp, body),
            "content-length": str(len(body)),
            **named.pop("headers", {}),
        }
        return call(
            self.app,
            "/mlflow",
            method="POST",
            headers=headers,
            parts=named.pop("parts", [body]),
            **named,
        )

    def rows(self) -> list[tuple[str, int]]:
        return sorted((row.model, row.version) for row in self.table.rows())


@pytest.fixture
def site(work: FitQueue) -> Site:
    return Site(work)


def test_a_new_version_is_queued(site: Site) -> None:
    assert site.post(event()).status == 202
    assert site.rows() == [("gan", 3)]
    assert site.table.counts()[QUEUED] == 1
    assert site.wakes == 0


def test_a_name_like_an_attributors_is_a_name_like_any_other(site: Site) -> None:
    assert site.post(event(name="marketing-attributor")).status == 202
    assert site.rows() == [("marketing-attributor", 3)]


def test_a_version_of_another_workspace_is_none_of_ours(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(workspace: str) -> bytes:
        return json.dumps({**json.loads(event()), "workspace": workspace}).encode()

    assert site.post(of("team-a"), "d-1").status == 202
    assert site.rows() == []
    assert site.post(of("default"), "d-2").status == 202
    assert site.rows() == [("gan", 3)]
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    assert site.post(of("default"), "d-3").status == 202
    assert site.rows() == [("gan", 3)]


def test_a_retry_changes_nothing(site: Site) -> None:
    for _ in range(3):
        assert site.post(event()).status == 202
    assert site.post(event(), "d-2").status == 202
    assert site.rows() == [("gan", 3)]
    assert 'outcome="duplicate"} 2' in call(site.app, "/metrics").text


@pytest.mark.parametrize("name", IGNORED)
def test_other_events_are_accepted_and_wake_the_reconciler(site: Site, name: str) -> None:
    assert site.post(IGNORED[name]).status == 202
    assert site.rows() == []
    assert site.wakes == 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_from_mlflow_is_refused_in_the_same_words(site: Site, name: str) -> None:
    status, send = REFUSED[name]
    reply = send(site.post)
    assert (reply.status, reply.text) == (
        status,
        {401: "refused\n", 413: "too large\n"}[status],
    )
    assert site.rows() == []


def test_a_large_delivery_is_refused_before_it_is_read(site: Site) -> None:
    body = b" " * (BODY_LIMIT + 1)
    assert site.post(body).status == 413
    assert site.post(b"", headers={"content-length": "100000000"}).parts_read == 0
    assert site.post(b"", headers={"content-length": "many"}).status == 413
    # Chunked, without a length: the reading stops at the limit.
    endless = call(
        site.app, "/mlflow", method="POST", headers={}, parts=[b" " * 65536 for _ in range(1600)]
    )
    assert (endless.status, endless.parts_read) == (413, BODY_LIMIT // 65536 + 1)


def test_a_table_that_is_away_asks_for_a_retry(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> bool:
        raise OperationalError("BEGIN", {}, Exception("locked"))

    with monkeypatch.context() as patched:
        patched.setattr(site.table, "receive_all", away)
        patched.setattr(site.table, "counts", away)
        assert site.post(event()).status == 503
        assert call(site.app, "/readyz").status == 503
        assert call(site.app, "/metrics").status == 200
    assert call(site.app, "/readyz").status == 200
    assert site.post(event()).status == 202
    assert site.rows() == [("gan", 3)]


def test_health_metrics_and_nothing_else(site: Site) -> None:
    site.post(event())
    assert call(site.app, "/healthz").text == "ok\n"
    text = call(site.app, "/metrics").text
    assert 'flipad_deliveries_total{outcome="queued"} 1' in text
    assert 'flipad_work{state="queued"} 1' in text
    for path in ("/docs", "/openapi.json", "/redoc"):
        assert call(site.app, path).status == 404
    assert call(site.app, "/mlflow").status == 405


def test_the_secret_is_never_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        site.post(event(), headers={SIGNATURE: "v1,AAAA"})
        site.post(event())
    assert KEY not in caplog.text
