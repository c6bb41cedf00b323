"""Real processes, but no fit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from registry_hooks.fit_worker import ENTRY, FitProcess
from registry_hooks.hook_settings import HookSettings
from registry_hooks.schema import Fit

pytestmark = pytest.mark.e2e
WORK = Fit(id=1, key="../odd name/3", queue="c" * 64, attempts=1, token="token")
READ = "import json, sys, time, os\norder = json.loads(sys.stdin.readline())\n"


def start(tmp_path: Path, script: str) -> FitProcess:
    settings = HookSettings(logs=str(tmp_path / "logs"), registry="http://user:secret@host")
    return FitProcess(settings, WORK, [sys.executable, "-c", READ + script])


def wait_for(path: Path) -> str:
    while not (path.exists() and path.read_text()):
        time.sleep(0.02)
    return path.read_text()


def gone(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip() in ("", "Z") or state.stdout.startswith("Z")


def test_the_order_the_log_and_the_outcome(tmp_path: Path) -> None:
    fit = start(
        tmp_path,
        "print(order['uri'])\n"
        "open(order['result'], 'w').write(json.dumps({'attributor': 'a-attributor/1'}))",
    )
    assert fit.end().attributor == "a-attributor/1"
    assert fit.log.parent == tmp_path / "logs"
    assert fit.log.read_text() == "models:/../odd name/3\n"
    assert [path.suffix for path in fit.log.parent.iterdir()] == [".log"]


def test_a_fit_does_not_know_the_secret_of_the_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLIPADOPS_WEBHOOK_SECRET", "of sixteen letters")
    monkeypatch.setenv("FLIPADOPS_WEBHOOK_SECRET_FILE", "/run/secret")
    fit = start(
        tmp_path,
        "print([name for name in os.environ if name.startswith('FLIPADOPS_WEBHOOK')])\n"
        "open(order['result'], 'w').write(json.dumps({'attributor': 'a-attributor/1'}))",
    )
    fit.end()
    assert fit.log.read_text() == "[]\n"


def test_an_error_keeps_its_kind(tmp_path: Path) -> None:
    fit = start(
        tmp_path,
        "open(order['result'], 'w').write(json.dumps({'error': 'GateFailed', 'message': 'No.'}))",
    )
    end = fit.end()
    assert (end.kind, end.message) == ("GateFailed", "No.")


@pytest.mark.parametrize(
    ("script", "how"), [("os.kill(os.getpid(), 9)", "SIGKILL"), ("sys.exit(7)", "code 7")]
)
def test_a_crash_is_told_as_one(tmp_path: Path, script: str, how: str) -> None:
    end = start(tmp_path, script).end()
    assert end.kind == "Crashed"
    assert how in str(end.message)


def test_stopping_kills_the_whole_group(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    fit = start(
        tmp_path,
        "import signal, subprocess\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)",
    )
    child = int(wait_for(note))
    fit.stop(grace=0.2)
    assert fit.poll() == -9
    while not gone(child):
        time.sleep(0.02)


def test_a_fit_dies_with_its_worker(tmp_path: Path) -> None:
    """The real entry, at whatever it has come to when its stdin ends."""
    settings = {**asdict(HookSettings()), "registry": "http://127.0.0.1:9"}
    order = {"settings": settings, "uri": "models:/gan/1", "result": str(tmp_path / "r.json")}
    fit = subprocess.Popen(
        ENTRY,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "9"},
    )
    fit.communicate(json.dumps(order).encode() + b"\n")
    assert fit.returncode == -signal.SIGKILL
