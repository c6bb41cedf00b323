"""Processes of the fault table. They are forked from one that has imported everything, so that
twenty tries of each fault are affordable; each can be killed like any other process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from flipad_ops.registry import tags
from registry_hooks.fit_worker import FitProcess, FitWorker
from registry_hooks.hook_settings import HookSettings
from registry_hooks.service import open_queue, run_service, stop_on_signals

SECRET = "the secret of the hooks' benchmarks"
#: In place of a fit: notes its beginning, takes its time, writes 128 KiB, notes its end. Like the
#: real one it dies when the pipe on its stdin closes, and leaves its outcome in a file; where there
#: is a registry, it registers an attributor as a real fit does, or the reconciler would miss it.
TINY = """
import json, os, signal, sys, threading, time, urllib.request
order = json.loads(sys.stdin.readline())
def watch():
    while sys.stdin.readline():
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
notes, seconds, artifacts, registry, keys = sys.argv[1], float(sys.argv[2]), *sys.argv[3:6]
def note(what):
    with open(notes, "a") as stream:
        stream.write(what + " " + order["uri"] + chr(10))
note("begin")
time.sleep(seconds)
outcome = {"attributor": "tiny/1", "status": "fitted"}
try:
    with open(artifacts + "/artifact", "wb") as stream:
        stream.write(bytes(131072))
except OSError as error:
    outcome = {"error": "OSError", "message": "OSError: " + str(error)}
if "attributor" in outcome and registry:
    values = [*order["uri"].removeprefix("models:/").rsplit("/", 1), sys.argv[6]]
    said = [{"key": k, "value": v} for k, v in zip(keys.split(), values)]
    body = {"name": values[0] + "-attributor", "source": "s3://nowhere/attributor", "tags": said}
    request = urllib.request.Request(registry + "/api/2.0/mlflow/model-versions/create",
        json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        made = json.load(urllib.request.urlopen(request))["model_version"]
        outcome["attributor"] = made["name"] + "/" + made["version"]
    except OSError as error:
        outcome = {"error": "OSError", "message": "OSError: " + str(error)}
if "attributor" in outcome:
    note("end")
with open(order["result"], "w") as stream:
    json.dump(outcome, stream)
"""
FORK = multiprocessing.get_context("fork")


class Actor:
    """A forked process in a session of its own."""

    def __init__(self, target: Any, *arguments: Any) -> None:
        self.process = FORK.Process(target=_in_session, args=(target, *arguments))
        self.process.start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self.process.is_alive():
            assert self.process.pid is not None
            os.kill(self.process.pid, number)
        self.process.join()


def _in_session(target: Any, *arguments: Any) -> None:
    os.setsid()
    target(*arguments)


def worker(
    settings: HookSettings, notes: Path, seconds: float, artifacts: Path, registry: str = ""
) -> None:
    """A real worker whose fits are the tiny ones."""
    command = [sys.executable, "-S", "-c", TINY, str(notes), str(seconds), str(artifacts)]
    keys = " ".join([tags.GENERATOR, tags.GENERATOR_VERSION, tags.CONFIG])
    command += [registry, keys, settings.config_sha256()]
    table = open_queue(settings)
    FitWorker(table, settings, stop_on_signals(), start=partial(FitProcess, command=command)).run()
    table.close()


def receiver(settings: HookSettings) -> None:
    """Receiver and reconciler, as `flipadops hooks up --workers 0` runs them."""
    # It would keep a stopping service for minutes when there is no registry.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    run_service(settings, SECRET, stop_on_signals(), workers=0)


def endings(notes: Path) -> Counter[str]:
    """How often the fit of each version was run to its end."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return Counter(line.split(" ", 1)[1] for line in lines if line.startswith("end"))


def beginnings(notes: Path) -> int:
    """How many fits were begun."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return sum(line.startswith("begin") for line in lines)
