"""OpenTelemetry spans of scans, fits and what the hooks start, where the environment asks for them.

Asked for by OTEL_TRACES_EXPORTER (`otlp`, `console`) or OTEL_EXPORTER_OTLP_ENDPOINT; else nothing
is imported and nothing is done. The provider is our own, neither OpenTelemetry's global one nor
MLflow's. Children continue the trace by TRACEPARENT (W3C Trace Context). A span holds names and
counts, never an image, a key of an object, or the text of an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from flipad_ops.common.extras import install, missing

_PARENT = "TRACEPARENT"
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
#: Our own, so that spans of other libraries in this process have no part in it.
_current: ContextVar[Any] = ContextVar("flipad_span", default=None)
_FitProgress = Callable[[str, int, int], None]


def exporter_asked_for() -> str:
    """ "otlp", "console", or "" for none."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return ""
    given = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if not given and any(os.environ.get(name) for name in _ENDPOINTS):
        given = "otlp"
    return given if given in ("otlp", "console") else ""


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[None]:
    """A span around the block; an error is recorded by its kind alone."""
    tracer = _tracer()
    if tracer is None:
        yield
        return
    from opentelemetry.trace import Status, StatusCode

    made = tracer.start_span(name, context=_context(), attributes=attributes)
    token = _current.set(made)
    try:
        yield
    except Exception as error:
        # Typer ends a command that has a result with one, too.
        if (code := getattr(error, "exit_code", None)) is not None:
            made.set_attribute("process.exit.code", code)
        else:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        _current.reset(token)
        made.end()


@contextmanager
def fit_span(progress: _FitProgress, **attributes: str) -> Iterator[_FitProgress]:
    """A span around a fit, with one for each stage that its progress names."""
    if _tracer() is None:
        yield progress
        return
    with span("fit", **attributes):
        current, stage = "", ExitStack()

        def traced(name: str, done: int, total: int) -> None:
            nonlocal current
            if name != current:
                stage.close()
                stage.enter_context(span(f"fit {name}"))
                current = name
            progress(name, done, total)

        try:
            yield traced
        finally:
            stage.close()  # an error is the fit's, not its last stage's


def child() -> dict[str, str]:
    """What a child's environment needs to go on with the current span."""
    made = _current.get()
    if made is None:
        return {}
    context = made.get_span_context()
    return {_PARENT: f"00-{context.trace_id:032x}-{context.span_id:016x}-01"}


def _context() -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    if (made := _current.get()) is not None:
        return set_span_in_context(made, Context())
    carried = {"traceparent": os.environ.get(_PARENT, "")}
    return TraceContextTextMapPropagator().extract(carried, Context())


@cache
def _tracer() -> Any:
    asked = exporter_asked_for()
    if not asked:
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    from flipad_ops.common.version import __version__

    if asked == "console":
        exporter: Any = ConsoleSpanExporter(
            out=sys.stderr, formatter=lambda made: made.to_json(indent=None) + "\n"
        )
    else:
        if missing("otel"):
            sys.stderr.write(
                f"warning: no traces are sent: {install('otel')}, or unset "
                "OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_ENDPOINT.\n"
            )
            return None
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(timeout=5)
    name = os.environ.get("OTEL_SERVICE_NAME", "flipadops")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(exporter))  # sent at the process's end at last
    return provider.get_tracer("flipad_ops", __version__)
