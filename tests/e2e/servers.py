"""Start a server of any kind, wait until it answers, stop it by its pid."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: MLflow's server starts gunicorn or uvicorn from the venv by name.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "OMP_NUM_THREADS": "1",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def server(command: list[str], url: str, folder: Path, **environment: str) -> Iterator[str]:
    """Run a server until the block ends; its log shows if it never answers."""
    log = folder / "server.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env={**ENVIRONMENT, **environment},
            cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(1500):
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=5):
                    break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(f"{url} never answered:\n{log.read_text()[-3000:]}")
        assert process.poll() is None, log.read_text()[-3000:]
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)
