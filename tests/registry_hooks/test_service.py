from __future__ import annotations

import socket
import threading
import urllib.request
from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
from registry_hooks import timer
from registry_hooks.hook_settings import HookSettings
from registry_hooks.reconcile import Reconciled
from registry_hooks.service import run_service, run_workers

SECRET = "a secret of some length"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HookSettings:
    monkeypatch.setattr(timer, "reconcile_once", lambda *_: Reconciled())
    return HookSettings(table=f"sqlite:///{tmp_path}/work.db", port=0, poll=0.05)


def test_it_serves_until_it_is_stopped(settings: HookSettings) -> None:
    stop, answers = threading.Event(), []

    def look(url: str) -> None:
        def ask() -> None:
            # The socket is bound but may not listen yet.
            while not answers:
                try:
                    health = url.replace("/mlflow", "/readyz")
                    answers.append(urllib.request.urlopen(health).read())
                except OSError:
                    continue
            stop.set()

        threading.Thread(target=ask).start()

    run_service(settings, SECRET, stop, ready=look)
    assert answers == [b"ok\n"]


def test_a_taken_port_is_one_sentence(settings: HookSettings) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        taken = HookSettings(table=settings.table, port=port)
        with pytest.raises(UsageError, match="Cannot listen on 127"):
            run_service(taken, SECRET, threading.Event())


def test_workers_stop_when_asked(settings: HookSettings) -> None:
    stop = threading.Event()
    stop.set()
    run_workers(settings, stop, workers=2)
