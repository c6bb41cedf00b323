"""Close the runs that killed fits of the same version left open."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.registry import tags
from flipad_ops.registry.denials import unless_denied
from flipad_ops.registry.store import registry_errors
from flipad_ops.registry.uris import quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Tag of a fit's run: host, process number and when that process began.
PROCESS = "flipad.process"


def this_process() -> str:
    """What `PROCESS` holds for a fit in this process."""
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def close_killed(client: MlflowClient, version: ModelVersion, run_id: str) -> list[str]:
    """Mark as killed what earlier fits of `version` left running in the experiment of `run_id`.

    A fit that ends by `kill -9` or with its machine cannot end its run. One whose process still
    lives on this machine is left alone; were one on another machine alive, it would end its own
    run later and so correct this.

    Returns
    -------
    list of str
        The runs marked.
    """
    with registry_errors():
        experiment = client.get_run(run_id).info.experiment_id
        running = client.search_runs(
            [experiment],
            "attributes.status = 'RUNNING' "
            f"and tags.`{tags.GENERATOR}` = {quoted(version.name)} "
            f"and tags.`{tags.GENERATOR_VERSION}` = '{version.version}'",
        )
        dead = [run for run in running if run.info.run_id != run_id and not _lives(run)]
        for run in dead:
            with unless_denied():
                reason = f"killed; run {run_id} fitted again"
                client.set_tag(run.info.run_id, tags.REASON, reason)
                client.set_terminated(run.info.run_id, "KILLED")
    return [str(run.info.run_id) for run in dead]


def finish(client: MlflowClient, run_id: str | None) -> None:
    """End the run of a fit that was killed after it had registered its attributor."""
    if not run_id:
        return
    with registry_errors(), unless_denied():
        run = client.get_run(run_id)
        if run.info.status == "RUNNING" and not _lives(run):
            client.set_terminated(run_id, "FINISHED")


def _lives(run: Any) -> bool:
    host, pid, began = [*str(run.data.tags.get(PROCESS, "")).split("/"), "", ""][:3]
    return host == socket.gethostname() and pid.isdigit() and began == _began(int(pid))


def _began(pid: int) -> str:
    """When a process of this machine began, in clock ticks since boot; "gone" if there is none."""
    try:
        # The name, in brackets, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        pass
    try:  # no /proc: the number alone must do
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "lives"
