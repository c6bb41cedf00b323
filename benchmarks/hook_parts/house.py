"""Real processes for the hooks' benchmarks: `flipadops hooks ...` and an MLflow server."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

from flipad_ops.registry import tags
from flipad_ops.registry.generators import register_generator
from tests.registry.tiny import tiny_generator
from tests.registry_hooks import servers
from tests.registry_hooks.servers import ROOT, free_port, get

SECRET = "the secret of the hooks' benchmarks"


def machine() -> str:
    """Cores and Python, in words."""
    return f"{os.cpu_count()} CPU cores (shared), Python {platform.python_version()}"


def environment(**changes: str) -> dict[str, str]:
    """The caller's, without its MLflow and flipad_ops settings."""
    ours = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "PYTHONPATH": str(ROOT),
        "FLIPADOPS_WEBHOOK_SECRET": SECRET,
    }
    return servers.environment(**{**ours, **changes})


@dataclass
class Service:
    """`flipadops hooks up` in a folder of its own."""

    folder: Path
    registry: str
    hooks: str = ""
    fit: str = ""
    table: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.table = self.table or f"sqlite:///{self.folder}/work.db"
        (self.folder / "flipadops.toml").write_text(
            f'[hooks]\nregistry = "{self.registry}"\nport = {self.port}\n'
            f'table = "{self.table}"\nlogs = "{self.folder}/logs"\n'
            f"reconcile_every = 3600\n{self.hooks}\n{self.fit}"
        )

    def up(self, *options: str, wait: bool = True) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "hooks.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flipad_ops", "hooks", "up", *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment(),
            )
        while wait and get(f"http://127.0.0.1:{self.port}/healthz") != "ok\n":
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "hooks.log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()

    def metrics(self) -> str:
        """What Prometheus would read."""
        return get(f"http://127.0.0.1:{self.port}/metrics")


@dataclass
class MlflowServer:
    """A real server on SQLite that may deliver webhooks to loopback."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    key: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Start it and wait until it is healthy."""
        from cryptography.fernet import Fernet

        self.key = self.key or Fernet.generate_key().decode()
        self.process = servers.start_mlflow(
            self.folder / "mlflow.db", self.folder, self.port, self.key
        )

    def stop(self) -> None:
        """Kill it with its workers."""
        if self.process is not None:
            servers.kill_group(self.process)


def stage(url: str, versions: int, models: Sequence[str] = ("gan",)) -> None:
    """Register "other", `versions` of "staged" (an export takes seconds), and empty `models`."""
    register_generator("other", *tiny_generator(seed=999), tracking_uri=url)
    for seed in range(versions):
        register_generator("staged", *tiny_generator(seed=seed), tracking_uri=url)
    for model in models:
        MlflowClient(url).create_registered_model(model)


def fitted_versions(client: MlflowClient, model: str = "gan") -> Counter[str]:
    """Attributor versions of a model by generator version."""
    return Counter(
        found.tags[tags.GENERATOR_VERSION]
        for found in client.search_model_versions(f"name = '{model}-attributor'")
    )


@contextlib.contextmanager
def running(server: MlflowServer) -> Iterator[MlflowServer]:
    """Up while the block runs."""
    server.up()
    try:
        yield server
    finally:
        server.stop()
