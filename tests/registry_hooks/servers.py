"""A real MLflow server and a real `flipadops hooks up`, on free ports of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECRET = "the secret of the hooks' tests"
#: What a fit of a 16x16 generator needs to end in seconds.
SETTINGS = """
[hooks.fit.settings]
own_train = 90
own_calibration = 60
own_test = 40
anchor_samples = 64
channels = 8
min_negatives = 40
max_negatives = 160
[hooks.fit.settings.inversion]
max_iterations = 30
tolerance = 0.05
[hooks.fit.settings.detector]
dim = 16
epochs = 4
batch_size = 32
[hooks.fit.settings.regeneration]
encoder_steps = 0
"""
CLI = "from flipad_ops.cli.hooks import hooks; hooks()"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def get(url: str) -> str:
    """The body, or "" while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "FLIPADOPS"))}
    return {
        **kept,
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "FLIPADOPS_WEBHOOK_SECRET": SECRET,
        **changes,
    }


def start_mlflow(database: Path, folder: Path, port: int, key: str) -> subprocess.Popen[bytes]:
    """A server that answers and may deliver webhooks to loopback; the head of its process group.

    `key` encrypts the webhooks' secrets: a server started again needs the same.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{database}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=environment(
                MLFLOW_WEBHOOK_ALLOWED_SCHEMES="http,https",
                MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS="true",
                MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=key,
                MLFLOW_WEBHOOK_CACHE_TTL="1",
                MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            ),
        )
    try:
        while not get(f"http://127.0.0.1:{port}/health"):
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.2)
    except BaseException:
        kill_group(server)
        raise
    return server


def kill_group(server: subprocess.Popen[bytes]) -> None:
    """Kill a server with its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


@contextlib.contextmanager
def mlflow_server(database: Path, folder: Path) -> Iterator[str]:
    """Its URL; see `start_mlflow`."""
    from cryptography.fernet import Fernet

    port = free_port()
    server = start_mlflow(database, folder, port, Fernet.generate_key().decode())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        kill_group(server)


@dataclass
class Hooks:
    """`flipadops hooks`, with its configuration in `folder`."""

    folder: Path
    registry: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        (self.folder / "flipadops.toml").write_text(
            f'[hooks]\nregistry = "{self.registry}"\nport = {self.port}\n'
            f'table = "sqlite:///{self.folder}/work.db"\nlogs = "{self.folder}/logs"\n'
            'include = ["gan"]\nlease = 3\npoll = 0.2\nretry_after = 0.5\n'
            f"reconcile_every = 3600\n{SETTINGS}"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mlflow"

    def up(self, *words: str) -> None:
        """Start the service, with further `words`, and wait until it listens."""
        with (self.folder / "hooks.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CLI, "up", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment(PYTHONPATH=str(ROOT)),
            )
        while get(self.url.replace("/mlflow", "/healthz")) != "ok\n":
            assert self.process.poll() is None, self.log()
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the service; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def metrics(self) -> str:
        return get(self.url.replace("/mlflow", "/metrics"))

    def log(self) -> str:
        return (self.folder / "hooks.log").read_text()
