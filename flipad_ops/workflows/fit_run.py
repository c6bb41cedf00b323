"""The MLflow run around a fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flipad_ops.common.errors import FlipadError, NotAttributable, first_line
from flipad_ops.common.time_limit import last_words
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import mark
from flipad_ops.registry.store import ensure_experiment, registry_errors
from flipad_ops.workflows.earlier_runs import PROCESS, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


@contextmanager
def fit_run(client: MlflowClient, version: ModelVersion, experiment: str) -> Iterator[str]:
    """The id of a run around a fit; failures end it and leave their reason on the version."""
    import mlflow

    with registry_errors():
        # `mlflow run` has made the run and its experiment already.
        attach = mlflow.environment_variables.MLFLOW_RUN_ID.defined
        run = mlflow.start_run(
            experiment_id=None if attach else ensure_experiment(client, experiment),
            run_name=f"fit {version.name} v{version.version}",
            tags={
                tags.GENERATOR: version.name,
                tags.GENERATOR_VERSION: str(version.version),
                PROCESS: this_process(),
            },
        )
    run_id = str(run.info.run_id)
    status = "KILLED"
    try:
        with registry_errors(version.name):
            mark(client, version, {tags.STATUS: tags.FITTING, tags.RUN: run_id})

        def record(error: FlipadError) -> None:
            _leave_reason(client, version, error)
            client.set_terminated(run_id, "FAILED")

        with last_words(record):
            yield run_id
        status = "FINISHED"
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            status = "FAILED"
        _leave_reason(client, version, error)
        raise
    finally:
        mlflow.end_run(status)


def _leave_reason(client: MlflowClient, version: ModelVersion, error: BaseException) -> None:
    reason = first_line(error)
    if isinstance(error, KeyboardInterrupt):
        reason = "interrupted"
    elif not isinstance(error, FlipadError):
        reason = f"{type(error).__name__}: {reason}"
    state = tags.UNATTRIBUTABLE if isinstance(error, NotAttributable) else tags.FAILED
    try:
        fresh = client.get_model_version(version.name, str(version.version))
        if fresh.tags.get(tags.ATTRIBUTOR):
            # An earlier attributor still serves this version.
            state = tags.FITTED
        mark(client, fresh, {tags.STATUS: state, tags.REASON: reason})
    except Exception:  # the registry may be what failed; the first error is the one to show
        return
