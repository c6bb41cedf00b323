"""A PostgreSQL server of the test's own on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import glob
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry_hooks.servers import free_port


def programs() -> Path | None:
    """The folder of initdb, or None without PostgreSQL."""
    found = shutil.which("initdb")
    debian = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(found or debian[-1]).parent if found or debian else None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """SQLAlchemy URL of an empty database.

    Skips without PostgreSQL or its driver; fails where everything is required.
    """
    folder = programs()
    if folder is None or importlib.util.find_spec("psycopg") is None:
        if os.environ.get("FLIPADOPS_REQUIRE_ALL"):
            pytest.fail("PostgreSQL and psycopg are required here")
        pytest.skip("needs PostgreSQL and psycopg")
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    # Not below pytest's folders: another user must reach it.
    data = Path(tempfile.mkdtemp(prefix="flipad-pg-", dir="/tmp"))
    try:
        if user:
            shutil.chown(data, "postgres", "postgres")
        quiet = {"cwd": data, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        cluster = str(data / "cluster")
        subprocess.run(
            [folder / "initdb", "-D", cluster, "-U", "test", "-A", "trust", "--no-sync"],
            check=True,
            **quiet,  # type: ignore[arg-type]
            **user,  # type: ignore[arg-type]
        )
        port = free_port()
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(data), "-F"]
        server = subprocess.Popen(
            [folder / "postgres", "-D", cluster, *options],
            **quiet,  # type: ignore[arg-type]
            **user,  # type: ignore[arg-type]
        )
        try:
            _wait(port, server)
            yield f"postgresql+psycopg://test@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    while True:
        assert server.poll() is None, "PostgreSQL ended"
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://test@127.0.0.1:{port}/postgres").close()
            return
        time.sleep(0.1)
