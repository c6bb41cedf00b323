"""A registry that does not answer is no wrong use; one that refuses is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from flipad_ops.cli.app import app
from flipad_ops.common.errors import FlipadError, RegistryError, UsageError
from flipad_ops.registry import tags
from flipad_ops.registry.classes import same_inversion
from flipad_ops.workflows.foreign_sources import other_versions

COMMANDS = {
    "models": ["models"],
    "prune": ["prune"],
    "doctor": ["doctor", "models:/a/1"],
    "fit": ["fit", "models:/a/1"],
    "fit missing": ["fit", "--all-missing"],
    "scan": ["scan", ".", "--model", "a"],
    "scan all": ["scan", ".", "--all-models"],
    "sample": ["sample", "models:/a/1", "-o", "out"],
}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    status, body = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def error_of(words: list[str], uri: str) -> BaseException | None:
    return CliRunner().invoke(app, [*words, "--tracking-uri", uri]).exception


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize("name", COMMANDS)
def test_nobody_listens(name: str) -> None:
    assert isinstance(error_of(COMMANDS[name], "http://127.0.0.1:9"), RegistryError)


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        ((503, b"<html>later</html>"), RegistryError),
        ((502, b""), RegistryError),
        ((500, b'{"error_code": "INTERNAL_ERROR", "message": "no"}'), RegistryError),
        ((400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}'), UsageError),
        ((403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}'), UsageError),
    ],
    ids=["503", "502", "500", "400", "403"],
    indirect=["server"],
)
def test_one_that_is_not_well_and_one_that_refuses(server: str, kind: type[FlipadError]) -> None:
    error = error_of(["models"], server)
    assert isinstance(error, kind)
    assert "\n" not in str(error)


class Paged:
    """Gives one version a page."""

    def __init__(self, count: int) -> None:
        self.count, self.asked = count, 0

    def search_model_versions(
        self, *_: object, page_token: str | None = None, **__: object
    ) -> object:
        from mlflow.entities.model_registry import ModelVersion
        from mlflow.store.entities import PagedList

        self.asked += 1
        place = int(page_token or 0)
        version = ModelVersion(f"m{place}", "1", place, place, source="s")
        return PagedList([version], str(place + 1) if place + 1 < self.count else None)


def test_searches_for_versions_go_beyond_their_first_page() -> None:
    assert len(same_inversion(Paged(5), {tags.LAYER: "x"})) == 5  # type: ignore[arg-type]
    client = Paged(7)
    other_versions(client, "x", "1")  # type: ignore[arg-type]
    assert client.asked == 8
