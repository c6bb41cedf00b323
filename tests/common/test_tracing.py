"""Traces over process borders, against a real OTLP receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SCRIPT = """
import subprocess, sys
from flipad_ops.common.tracing import child, fit_span, span
from registry_hooks.supervisor import child_environment
if sys.argv[1:] == ["child"]:
    try:
        with fit_span(lambda *done: None, model="models:/a/1") as progress:
            for stage in ("load", "train", "train"):
                progress(stage, 0, 0)
            raise ValueError("a secret word")
    except ValueError:
        sys.exit()
with span("work", model="a", attempt=1):
    again = [sys.executable, *sys.orig_argv[1:], "child"]
    subprocess.run(again, env=child_environment(), check=True)
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Address of a server that takes OTLP over HTTP, and the spans it got."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()
    thread.join()


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TRACEPARENT"))}
    return subprocess.run(
        [sys.executable, *words], env={**clean, **environment}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_one_trace_from_the_worker_to_the_stages_of_its_fit(
    receiver: tuple[str, list[Any]],
) -> None:
    address, spans = receiver
    ended = run("-c", SCRIPT, OTEL_EXPORTER_OTLP_ENDPOINT=address)
    assert ended.returncode == 0, ended.stderr
    found = {span.name: span for span in spans}
    assert set(found) == {"work", "fit", "fit load", "fit train"}
    assert len({span.trace_id for span in spans}) == 1
    assert not found["work"].parent_span_id
    assert found["fit"].parent_span_id == found["work"].span_id
    assert found["fit load"].parent_span_id == found["fit"].span_id
    assert found["fit train"].parent_span_id == found["fit"].span_id
    kinds = {pair.key: pair.value.string_value for pair in found["fit"].attributes}
    assert kinds == {"model": "models:/a/1", "error.type": "ValueError"}
    assert "secret word" not in str(spans)


def test_a_scan_goes_on_with_the_trace_it_is_given(
    receiver: tuple[str, list[Any]], tmp_path: Path
) -> None:
    address, spans = receiver
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ended = run(
        "-m", "flipad_ops", "scan", str(tmp_path), "-m", "nobody",
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
        OTEL_EXPORTER_OTLP_ENDPOINT=address, TRACEPARENT=parent,
    )  # fmt: skip
    assert ended.returncode in (2, 6), ended.stderr  # there is no such model
    scan = next(span for span in spans if span.name == "scan")
    assert scan.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert scan.parent_span_id.hex() == "b7ad6b7169203331"
    assert {span.name for span in spans} == {"scan", "scan load"}


def test_on_the_console_a_span_is_a_line(tmp_path: Path) -> None:
    ended = run("-c", SCRIPT, OTEL_TRACES_EXPORTER="console")
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["name"] for line in lines] == ["fit load", "fit train", "fit", "work"]


@pytest.mark.parametrize("off", [{}, {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}])
def test_nothing_is_imported_unless_asked_for(off: dict[str, str]) -> None:
    code = SCRIPT + "\nassert 'opentelemetry' not in sys.modules, 'imported'"
    ended = run("-c", code, **off)
    assert (ended.returncode, ended.stderr) == (0, "")
