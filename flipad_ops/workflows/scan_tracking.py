"""A scan as an MLflow run: parameters, counts, histogram, report, and the attributors it asked."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import AttributorCard
from flipad_ops.common.errors import TrackingError, first_line
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outcome.summary import summarise, verdict
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.report.charts import Series, score_histogram
from flipad_ops.scanning.report.page import Scored

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "flipad scans"
#: An MLflow parameter holds this many characters at most.
PARAMETER_LENGTH = 6000

_COUNTS = ("scored", "leak", "review", "clear", "groups", "suppressed", "skipped", "failed",
           "reused", "not_converged", "seconds")  # fmt: skip


def log_scan(
    outcome: ScanOutcome, tracking_uri: str | None = None, experiment: str = EXPERIMENT
) -> str:
    """Log a finished scan, in the active run if there is one; returns the run id.

    Raises
    ------
    TrackingError
        The tracking server, or the place of its artifacts, cannot be reached or refuses.
    """
    import mlflow

    try:
        client = mlflow.MlflowClient(tracking_uri)
        active = mlflow.active_run()
        if active is not None and tracking_uri in (None, mlflow.get_tracking_uri()):
            _fill(client, active.info.run_id, outcome)
            return str(active.info.run_id)  # whoever began it ends it
        run_id = _new_run(client, experiment, f"scan: {verdict(outcome)}")
        status = "KILLED" if outcome.interrupted else "FINISHED" if outcome.complete else "FAILED"
        try:
            _fill(client, run_id, outcome)
        except BaseException:
            status = "FAILED"
            raise
        finally:
            client.set_terminated(run_id, status)
    except Exception as error:  # MLflow's own, and those of whatever holds its artifacts
        raise TrackingError(
            f"The scan is finished, but cannot be logged to MLflow: {first_line(error)}."
        ) from error
    return run_id


def _new_run(client: MlflowClient, experiment: str, name: str) -> str:
    found = client.get_experiment_by_name(experiment)
    where = found.experiment_id if found else client.create_experiment(experiment)
    return str(client.create_run(where, run_name=name).info.run_id)


def _fill(client: MlflowClient, run_id: str, outcome: ScanOutcome) -> None:
    summary = summarise(outcome)
    parameters = {
        "targets": " ".join(summary["targets"]),
        "fdr": summary["fdr"],
        "max_errors": summary["max_errors"],
        "size_rule": outcome.request.size_rule,
        "attributors": " ".join(outcome.cards),
        **summary["selection"],
    }
    for name, value in parameters.items():
        client.log_param(run_id, name, str(value)[:PARAMETER_LENGTH])
    for name in _COUNTS:
        client.log_metric(run_id, name, float(summary[name]))
    client.set_tag(run_id, "flipad.verdict", summary["verdict"])
    client.set_tag(run_id, "flipad.complete", str(summary["complete"]).lower())
    client.log_dict(run_id, summary, "summary.json")
    pairs = Scored(outcome).pairs
    for name, card in outcome.cards.items():
        chart = _histogram(card, np.frombuffer(pairs[name]).reshape(-1, 2)[:, 0])
        if chart:
            client.log_text(run_id, chart, f"scores/{card.attributor_name}.svg")
    with tempfile.TemporaryDirectory(prefix="flipad-") as folder:
        report = Path(folder, "report.html")
        for sentence in write_outputs(outcome, [("html", report)]):
            raise TrackingError(sentence)
        for file in sorted(Path(folder).iterdir()):
            client.log_artifact(run_id, str(file))
    _link(client, run_id, outcome)


def _histogram(card: AttributorCard, scores: NDArray[np.float64]) -> str:
    null = [value for values in card.null_scores.values() for value in values]
    chart = score_histogram(
        [
            Series("own, calibration", card.own_scores, "own"),
            Series("foreign, calibration", null, "foreign"),
            Series("this scan", scores, "scan"),
        ],
        card.threshold,
    )
    style = (
        "<style>.own{fill:#1b7f5c}.foreign{fill:#9aa4b1}.scan{fill:#2f5fd0}.series{fill-opacity:.4}"
        ".axis,.tick,.cut{stroke:#555}text{font:11px sans-serif}</style>"
    )
    alone = str(chart).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    head, end, rest = alone.partition(">")
    return head + end + style + rest if chart else ""


def _link(client: MlflowClient, run_id: str, outcome: ScanOutcome) -> None:
    """Tag the run with its attributors, and enter those of the registry as inputs."""
    from mlflow.entities import LoggedModelInput
    from mlflow.exceptions import MlflowException

    inputs: list[Any] = []
    for name, card in outcome.cards.items():
        client.set_tag(run_id, f"flipad.attributor.{card.attributor_name}", name)
        try:
            version = client.get_model_version(card.attributor_name, card.attributor_version)
        except MlflowException:
            continue  # loaded from a folder, or another registry
        source = str(version.source or "")
        if source.startswith("models:/m-"):
            inputs.append(LoggedModelInput(source.removeprefix("models:/")))
    if inputs:
        client.log_inputs(run_id, models=inputs)
