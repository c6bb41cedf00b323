"""Lines on stderr, as text and as JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from flipad_ops.common.redaction import scrub

SCRIPT = """
import logging, sys, threading, warnings
from flipad_ops.common import log
log.from_environment(sys.argv[1:])
log.service_log()
log.context(model="faces/3")
logging.getLogger("flipad.hooks").info("Schedule %s", "x", extra={"schedule": "nightly"})
logging.getLogger("uvicorn.error").error("a library's")
sys.stderr.write("warning: two lines\\n\\nof http://me:hunter2@h/p")
sys.stderr.write("?X-Amz-Signature=abc&a=1\\n")
warnings.warn("odd")
thread = threading.Thread(target=lambda: 1 / 0, name="t")
thread.start(); thread.join()
sys.stderr.write("no line end")
raise ValueError("https://me:hunter2@host/")
"""


def run(*words: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert "=abc" not in done.stderr
    return done.stderr


def test_every_line_is_an_object() -> None:
    lines = [json.loads(line) for line in run("--log-format", "json").splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    told = [(line["level"], line["logger"], line["message"]) for line in lines]
    assert told[:4] == [
        ("info", "flipad.hooks", "Schedule x"),
        ("error", "uvicorn.error", "a library's"),
        ("warning", "stderr", "warning: two lines"),
        ("info", "stderr", "of http://***@h/p?X-Amz-Signature=***&a=1"),
    ]
    assert told[4][:2] == ("warning", "py.warnings")
    assert told[5] == ("critical", "flipad", "ZeroDivisionError: division by zero")
    assert "Traceback" in lines[5]["exception"]
    assert told[6:] == [
        ("critical", "flipad", "ValueError: https://***@host/"),
        ("info", "stderr", "no line end"),
    ]
    assert (lines[0]["model"], lines[0]["schedule"]) == ("faces/3", "nightly")


def test_text_stays_text() -> None:
    lines = run("--log-format=text").splitlines()
    assert lines[0].endswith("INFO Schedule x")
    assert "of http://***@h/p?X-Amz-Signature=***&a=1" in lines


@pytest.mark.parametrize("words", [["--bogus"], ["a"]])
def test_what_is_wrong_with_a_command_is_json_too(words: list[str]) -> None:
    command = [sys.executable, "-m", "flipad_ops", "scan", *words, "--log-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["level"] == "error"
    if words != ["--bogus"]:
        assert lines[-1]["exit_code"] == done.returncode


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql+psycopg://u:p@ss@db/x", "postgresql+psycopg://***@db/x"),
        ("https://token@host/a", "https://***@host/a"),
        ("models:/faces@current s3://bucket/a@b.png", "models:/faces@current s3://bucket/a@b.png"),
        (
            "GET /k?x-amz-credential=AK%2F1&Signature=zz",
            "GET /k?x-amz-credential=***&Signature=***",
        ),
        ("a long word of ours", "a *** of ours"),
    ],
)
def test_scrub(text: str, clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "long word")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of")
    assert scrub(text) == clean


def test_a_stream_takes_text_only() -> None:
    from flipad_ops.common.log import _Lines

    raw = io.StringIO()
    lines = _Lines(raw)
    with pytest.raises(TypeError):
        lines.write(b"x")  # type: ignore[arg-type]
    lines.write("half")
    assert raw.getvalue() == ""
    lines.finish()
    assert raw.getvalue() == "half\n"
