"""Refusals of a registry server (401, 403) in words that name the right that is missing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

_UNKNOWN = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"}
#: What a request needs, by the end of its path; the first match decides.
_NEEDED = (
    (r"model-versions/(set-tag|delete-tag|update)|registered-models/(alias|set-tag|update)",
     "EDIT on registered model {name}"),
    (r"model-versions/create",
     "EDIT on registered model {name} and READ on the experiment of its files"),
    (r"model-versions/delete", "MANAGE on registered model {name}"),
    (r"model-versions|registered-models/(get|search)", "READ on registered model {name}"),
    (r"registered-models/create", "the right to create registered models"),
    (r"experiments/create", "the right to create experiments"),
    (r"experiments/(get|search)", "READ on the experiment"),
    (r"runs/log-inputs", "EDIT on logged models"),
    (r"runs/(get|search)|metrics/", "READ on the experiment of the run"),
    (r"logged-models|runs/", "EDIT on the experiment of the run"),
    (r"mlflow-artifacts", "READ on the experiment of the files to fetch them, EDIT to add some"),
)  # fmt: skip
WHERE = "see Rights in docs/registry.md"


def denied(error: Exception) -> bool:
    """Whether a server said that the account may not (403)."""
    code = getattr(error, "error_code", None)
    return code == "PERMISSION_DENIED" or _status(error) == 403


def explain_denial(error: Exception, name: str = "") -> str | None:
    """One sentence about a 401 or 403, or None for any other error.

    Parameters
    ----------
    error : MlflowException or requests.HTTPError
    name : str
        The registered model that the request was about, if known.
    """
    account = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    who = f"account {account!r}" if account else "this account"
    if getattr(error, "error_code", None) in _UNKNOWN or _status(error) == 401:
        return (
            f"MLflow does not know {who}: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN)."
        )
    if not denied(error):
        return None
    text = str(error)
    for pattern, needed in _NEEDED:
        if re.search(f"/(?:{pattern})", text):
            right = needed.format(name=repr(name) if name else "").strip()
            absent = ", if there is such a model" if right.startswith("READ on registered") else ""
            return f"MLflow denies {who} this: it needs {right}{absent} ({WHERE})."
    return f"MLflow denies {who} this ({WHERE})."


@contextmanager
def unless_denied(refused: list[str] | None = None, what: str = "") -> Iterator[None]:
    """Skip what the account may not do; `what` is entered in `refused`."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if not denied(error):
            raise
        if refused is not None:
            refused.append(what)


def _status(error: Exception | MlflowException) -> int:
    return int(getattr(getattr(error, "response", None), "status_code", 0) or 0)
