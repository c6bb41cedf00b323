from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from mlflow import MlflowClient

from flipad_ops.registry import tags
from flipad_ops.workflows.earlier_runs import PROCESS, close_killed, finish, this_process


def begin(client: MlflowClient, process: str, version: str = "1", **more: str) -> str:
    fields = {tags.GENERATOR: "tiny", tags.GENERATOR_VERSION: version, PROCESS: process, **more}
    return str(client.create_run("0", tags=fields).info.run_id)


def test_only_dead_fits_of_this_version_are_closed(registered: str) -> None:
    client = MlflowClient(registered)
    version = client.get_model_version("tiny", "1")
    here = socket.gethostname()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    alive = begin(client, this_process())
    reused = begin(client, f"{here}/{os.getpid()}/1")  # another process had this number
    dead = begin(client, f"{here}/{ended.pid}/12345")
    elsewhere = begin(client, "elsewhere/1/1")
    untold = begin(client, "")
    other = begin(client, "elsewhere/1/1", version="2")
    mine = begin(client, this_process())
    closed = close_killed(client, version, mine)
    assert set(closed) == {reused, dead, elsewhere, untold}

    def state(run_id: str) -> Any:
        return client.get_run(run_id).info.status

    assert {state(run) for run in closed} == {"KILLED"}
    assert {state(run) for run in (alive, other, mine)} == {"RUNNING"}
    assert mine in client.get_run(dead).data.tags[tags.REASON]
    finish(client, alive)
    finish(client, other)
    assert (state(alive), state(other)) == ("RUNNING", "FINISHED")
