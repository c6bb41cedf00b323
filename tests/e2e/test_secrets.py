"""No secret, signature or image in anything that real commands leave behind."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, sign
from tests.e2e.s3_server import S3Server, s3_server
from tests.registry_hooks.servers import ROOT, SECRET, Hooks, environment
from tests.scanning.pipeline.test_pipeline import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WRONG, PASSWORD = "a-wrong-secret-0123", "channel-password-77"
IMAGE = png(0.3, 5, size=16)
OUTPUTS = ("jsonl", "html", "sarif", "junit", "prometheus", "json", "csv")
SCHEDULE = """
[[notify]]
name = "chat"
kind = "slack"
url_env = "CHANNEL"
[[schedule]]
name = "nightly"
cron = "15 2 * * *"
targets = ["s3://private/in"]
models = ["{model}"]
on_failure = ["chat"]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        running.client().put_object(Bucket="private", Key="in/a.png", Body=IMAGE)
        yield running


def deliver(hooks: Hooks) -> str:
    """A signed event; its signature."""
    body, stamp = b'{"entity": "registered_model", "action": "created"}', str(int(time.time()))
    signature = sign(SECRET, "d-1", stamp, body)
    headers = {ID: "d-1", TIMESTAMP: stamp, SIGNATURE: signature}
    request = urllib.request.Request(hooks.url, body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 202
    return signature.removeprefix("v1,")


def command(hooks: Hooks, *words: str, **changes: str) -> subprocess.Popen[bytes]:
    out, err = hooks.folder / f"{words[0]}.out", hooks.folder / f"{words[0]}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "flipad_ops", *words],
            stdout=stdout,
            stderr=stderr,
            cwd=hooks.folder,
            env=environment(PYTHONPATH=str(ROOT), **changes),
        )


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_secret_is_left_behind(
    form: str,
    server: S3Server,
    toy_folder: Path,
    empty_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.use(monkeypatch)
    monkeypatch.setenv("CHANNEL", f"http://me:{PASSWORD}@127.0.0.1:9/hook")
    hooks = Hooks(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    with (tmp_path / "flipadops.toml").open("a") as config:
        config.write(SCHEDULE.format(model=toy_folder))
    outputs = [word for name in OUTPUTS for word in ("-o", f"{name}={tmp_path}/scan.{name}")]
    model = ["--model", str(toy_folder), "--log-format", form]
    scan = command(hooks, "scan", "s3://private/in", *model, *outputs, "--no-thumbnails")
    wrong = command(
        hooks, "hooks", "schedule", "run-now", "nightly",
        FLIPADOPS_LOG_FORMAT=form, AWS_SECRET_ACCESS_KEY=WRONG,
    )  # fmt: skip
    try:
        hooks.up("--log-format", form)
        signature = deliver(hooks)
        assert scan.wait() in (0, 3), (tmp_path / "scan.err").read_text()
        assert wrong.wait() == 4, (tmp_path / "hooks.err").read_text()
        while "Channel chat: message" not in hooks.log():
            assert hooks.process is not None
            assert hooks.process.poll() is None, hooks.log()
            time.sleep(0.1)
        assert hooks.stop() == 0
    finally:
        for each in (scan, wrong):
            each.kill()
            each.wait()
        hooks.stop(signal.SIGKILL)
    logs = [tmp_path / "hooks.log", tmp_path / "scan.err", tmp_path / "hooks.err"]
    logs += tmp_path.glob("logs/**/log.txt")
    assert len(logs) == 4
    assert all(path.stat().st_size for path in logs)
    if form == "json":
        lines = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
        assert all({"time", "level", "message"} <= line.keys() for line in lines)
        assert {"schedule": "nightly", "exit_code": 4}.items() <= lines[-1].items()
    secrets = [SECRET, server.secret, WRONG, PASSWORD, signature, "X-Amz-Signature"]
    hidden = [each.encode() for each in secrets]
    hidden += [IMAGE[:40], base64.b64encode(IMAGE[:48])]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {f"scan.{name}" for name in OUTPUTS} | {"work.db"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert [each for each in hidden if each in content] == [], path
