"""A PostgreSQL cluster that a fault can stop at once and start again."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.registry_hooks.servers import free_port


class Cluster:
    """On a free port of 127.0.0.1."""

    def __init__(self) -> None:
        import psycopg

        self._connect, self._away = psycopg.connect, psycopg.OperationalError
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        self._bin = Path(shutil.which("initdb") or found[-1]).parent
        if not (self._bin / "postgres").exists():
            self._bin = Path(found[-1]).parent
        self._user: dict[str, Any] = {}
        self.data, self.port = Path(tempfile.mkdtemp(prefix="flipad-pg-", dir="/tmp")), free_port()
        if os.geteuid() == 0:
            self._user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.data, "postgres", "postgres")
        self._quiet = {"cwd": self.data, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [self._bin / "initdb", "-D", self.data / "c", "-U", "test", "-A", "trust"]
        subprocess.run(command, check=True, **self._quiet, **self._user)
        self.start()

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.data)]
        self._server = subprocess.Popen(
            [self._bin / "postgres", "-D", self.data / "c", *options], **self._quiet, **self._user
        )
        while True:
            try:
                self._connect(self.url.replace("+psycopg", "")).close()
                return
            except self._away:
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, as in a crash: recovery runs at the next start."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
