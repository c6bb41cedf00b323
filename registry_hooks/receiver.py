"""The web application that MLflow's webhook posts to: it checks, and writes the work table."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect

from flipad_ops.common.untrusted_json import parse
from flipad_ops.registry import tags
from registry_hooks.fit_jobs import FitQueue
from registry_hooks.hook_settings import HookSettings
from registry_hooks.intake import Intake
from registry_hooks.metrics import CONTENT_TYPE, Deliveries, exposition
from registry_hooks.pages import add_pages
from registry_hooks.schedules import Schedule
from registry_hooks.signature import Forged, verify

logger = logging.getLogger("flipad.hooks")

#: A model version's event is a few kilobytes; its description may be long.
BODY_LIMIT = 256 * 1024
#: Same words for every reason: a prober learns nothing.
_ANSWERS = {202: "accepted\n", 401: "refused\n", 413: "too large\n", 503: "try again\n"}


class TooLarge(Exception):
    """The body is over the limit."""


class Webhook:
    """What `POST /mlflow` does; parameters as of `create_app`."""

    def __init__(
        self,
        fits: FitQueue,
        settings: HookSettings,
        secret: str,
        deliveries: Deliveries,
        wake: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._secret, self._deliveries = settings, secret, deliveries
        self._wake, self._clock = wake, clock
        config = settings.config_sha256()
        self._intake = Intake(lambda several: fits.receive_all(several, config))

    async def post(self, request: Request) -> Response:
        """Check a delivery, write it, answer."""
        try:
            body = await _read(request)
            delivery_id = verify(self._secret, request.headers, body, self._clock())
        except ClientDisconnect:
            return self._answer(401, "truncated")
        except TooLarge:
            return self._answer(413, "too_large")
        except Forged:
            return self._answer(401, "refused")
        try:
            event = parse(body)
        except ValueError:
            event = None  # signed, so MLflow's own: a retry would not change it
        versions = [v for v in _new_versions(event) if self._settings.wants(v[0])]
        try:
            new = await self._intake.put(delivery_id, versions)
        except SQLAlchemyError as error:
            logger.warning("The work table does not answer: %s", type(error).__name__)
            return self._answer(503, "unavailable")
        if new and not versions:
            self._wake()
        return self._answer(202, "duplicate" if not new else "queued" if versions else "ignored")

    def _answer(self, code: int, outcome: str) -> Response:
        self._deliveries.count(outcome)
        # Else the server would go on reading what has been refused.
        end = {"Connection": "close"} if code == 413 else None
        return PlainTextResponse(_ANSWERS[code], code, headers=end)


def create_app(
    fits: FitQueue,
    settings: HookSettings,
    secret: str,
    *,
    wake: Callable[[], None] = lambda: None,
    schedules: Sequence[Schedule] = (),
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The application.

    Parameters
    ----------
    wake : callable
        Called for signed events that name no new version, as `hooks install` sends one: a
        moment to look at the registry.
    schedules : sequence of Schedule
        Shown on the status page.
    """
    app = FastAPI(title="flipad_ops hooks", docs_url=None, redoc_url=None, openapi_url=None)
    deliveries = Deliveries(fits.sessions)
    # What was counted since the last look must outlive the process.
    app.state.keep_counts = deliveries.keep
    webhook = Webhook(fits, settings, secret, deliveries, wake, clock)
    # A plain route: FastAPI's own would look for parameters in every request.
    app.add_route("/mlflow", webhook.post, methods=["POST"])

    add_pages(app, fits, settings, schedules)

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    def readyz() -> Response:
        try:
            fits.counts()
        except SQLAlchemyError:
            return PlainTextResponse("work table away\n", 503)
        return PlainTextResponse("ok\n")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(exposition(fits.sessions, deliveries, clock), media_type=CONTENT_TYPE)

    return app


async def _read(request: Request) -> bytes:
    length = request.headers.get("content-length", "0")
    # A superscript is a digit, too, and no number.
    if not (length.isascii() and length.isdigit() and len(length) < 10) or int(length) > BODY_LIMIT:
        raise TooLarge
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise TooLarge
    return bytes(body)


def _new_versions(event: Any) -> list[tuple[str, int]]:
    """The model version that an event says was created; [] for any other event, attributors and
    other workspaces."""
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return []
    if (event.get("entity"), event.get("action")) != ("model_version", "created"):
        return []
    name, version = event["data"].get("name"), str(event["data"].get("version"))
    if not isinstance(name, str) or not 0 < len(name) <= 256 or not name.isprintable():
        return []  # no database holds half a surrogate or a NUL
    # A service, its table and what it reconciles with are of one workspace.
    if event.get("workspace", workspace()) != workspace():
        return []
    told = event["data"].get("tags")
    if isinstance(told, dict) and tags.is_attributor(told):
        return []
    # Nine digits: what an Integer column holds.
    if not (version.isascii() and version.isdigit() and len(version) <= 9):
        return []
    return [(name, int(version))]


def workspace() -> str:
    """MLflow's workspace that this process works in."""
    return os.environ.get("MLFLOW_WORKSPACE", "").strip() or "default"
