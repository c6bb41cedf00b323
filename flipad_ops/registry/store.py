"""The connection to MLflow: which store, quiet defaults, and errors in our own words."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import RegistryError, UsageError, first_line
from flipad_ops.common.extras import need
from flipad_ops.common.quick_imports import quick_imports
from flipad_ops.registry.denials import explain_denial

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

#: Schemes of addresses of databases.
_DATABASES = {"sqlite", "postgresql", "mysql", "mssql"}
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
#: MLflow's fluent calls read one process-wide URI; two threads must not swap it under each other.
_URI_LOCK = threading.RLock()


@contextmanager
def tracking(uri: str | None) -> Iterator[MlflowClient]:
    """A client for `uri` (default: MLflow's own choice), with fluent calls going there too.

    The process-wide URI is put back afterwards.

    Raises
    ------
    ExtraMissing
        See `need_store`.
    """
    need_store(uri)
    with quick_imports():
        import mlflow

        mlflow.MlflowClient  # noqa: B018  # loaded when it is named

    # That a database gets its tables is for MLflow's authors.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Links to runs would stand between the results on stdout.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    with _URI_LOCK:
        was_set = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
        before = mlflow.get_tracking_uri() if was_set else None
        if uri:
            with registry_errors():
                mlflow.set_tracking_uri(uri)
        try:
            with registry_errors():
                client = mlflow.MlflowClient()
            yield client
        finally:
            if uri:
                mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it


def need_store(uri: str | None) -> None:
    """Refuse, before MLflow is imported, a registry in a database where only its slim distribution
    is installed, which reads a server alone.

    Raises
    ------
    ExtraMissing
    """
    known = sys.modules.get("mlflow")  # whoever has not imported it has told it nothing
    told = known.get_tracking_uri() if known and known.is_tracking_uri_set() else ""
    place = uri or told or os.environ.get("MLFLOW_TRACKING_URI", "")
    # Without any, MLflow takes a database in the working folder.
    if not place or place.partition(":")[0].partition("+")[0] in _DATABASES:
        need(
            "store",
            "A registry in a database, without a server (MLFLOW_TRACKING_URI, --tracking-uri),",
        )


def no_such_thing(error: MlflowException) -> bool:
    """Whether MLflow says that what was asked for does not exist."""
    # A missing alias comes as INVALID_PARAMETER_VALUE.
    return error.error_code in _ABSENT or str(error).rstrip(".").endswith("not found")


@contextmanager
def registry_errors(model: str = "") -> Iterator[None]:
    """MLflow's and its server's errors as one sentence; `model` is what the request is about.

    Raises
    ------
    RegistryError
        Nothing answers, or not as a registry that is well.
    UsageError
        It refuses what was asked.
    """
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        yield
    # Files travel by plain requests, whose errors MLflow lets through.
    except (MlflowException, RequestException) as error:
        refusal = explain_denial(error, model)
        if refusal is None and is_away(error):
            said = f"MLflow does not answer: {first_line(error).removesuffix('.')}."
            raise RegistryError(said) from error
        raise UsageError(refusal or f"MLflow refused: {first_line(error)}") from error


def is_away(error: MlflowException | RequestException) -> bool:
    """Whether nothing answered, or a server that is not well."""
    from mlflow.exceptions import RestException
    from requests.exceptions import ConnectionError, Timeout

    if isinstance(error, ConnectionError | Timeout):
        return True
    if isinstance(error, RestException):
        return int(error.get_http_status_code()) >= 500  # type: ignore[no-untyped-call]
    answer = getattr(error, "response", None)
    if answer is not None:
        return int(answer.status_code) >= 500
    # MLflow's client tells what never reached a server, or came back from none, in words.
    return bool(re.search(r"API request to .* failed with (exception|error code 5)", str(error)))


def all_pages(page: Callable[[str | None], Any]) -> list[Any]:
    """What MLflow lists in pages, as one list; `page` gives the one of a token, None the first."""
    from mlflow.utils import get_results_from_paginated_fn

    found = get_results_from_paginated_fn(lambda _, token: page(token), 0)  # type: ignore[no-untyped-call]
    return list(found)


def ensure_experiment(client: MlflowClient, name: str) -> str:
    """The id of an experiment, made if missing.

    `mlflow.set_experiment` would do, but it stays set for whatever the process logs next, even
    to another store.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UsageError(f"Experiment {name!r} was deleted: restore it or name another.")
    return str(found.experiment_id)
