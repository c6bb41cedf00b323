"""`flipadops scan --engine ray` as a process, with a Ray of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_scan_cli import ENVIRONMENT, scored
from tests.scanning.pipeline.test_pipeline import png

pytestmark = pytest.mark.e2e

#: The real command with slow scorers in place of the registry's.
PROGRAM = """
import sys, types
from tests.e2e.ray_scorers import Load, stillborn

def stand_in(name, **functions):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(functions)

stand_in("flipad_ops.registry.scorers", load_scorers=lambda *args: Load()("cpu"))
stand_in("flipad_ops.registry.shipping", ship=lambda *args: Load(pause=2.0))
from flipad_ops.cli.main import main
sys.argv[0] = "flipadops"
main()
"""


def command(folder: Path, ledger: Path, *more: str) -> list[str]:
    options = ["-m", "dark", "-o", "json", "--state", str(ledger), "--batch-size", "4", *more]
    return [sys.executable, "-c", PROGRAM, "scan", str(folder), *options]


def marked(mark: str) -> list[int]:
    """Processes that inherited an environment variable of ours."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def exposed(pids: list[int]) -> list[str]:
    """Addresses other than the loopback on which processes listen."""
    sockets = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            sockets |= {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    found, seen = [], 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                seen += 1
                address = fields[1].partition(":")[0]
                if not address.endswith(("0100007F", "00000000000000000000000001000000")):
                    found.append(fields[1])
    assert seen
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_an_interrupted_scan_leaves_a_ledger_and_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "found"
    folder.mkdir()
    for index in range(96):
        (folder / f"{index:03d}.png").write_bytes(png(0.05 if index % 8 == 0 else 0.7, index))
    mark = f"FLIPAD_MARK={tmp_path}"
    environment = {**ENVIRONMENT, "FLIPAD_MARK": str(tmp_path), "RAY_ADDRESS": ""}
    ledger = tmp_path / "state.db"
    with subprocess.Popen(
        command(folder, ledger, "--engine", "ray", "--ray-workers", "2", "--workers", "1"),
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 180
        while not scored(ledger) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert exposed(marked(mark)) == []
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert json.loads(out)["summary"]["complete"] is False
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked(mark) == []
    before = scored(ledger)
    assert 0 < before < 96
    ended = subprocess.run(
        command(folder, ledger, "--resume"), env=ENVIRONMENT, capture_output=True, check=False
    )
    summary = json.loads(ended.stdout)["summary"]
    assert (summary["scored"], summary["reused"]) == (96, before)
