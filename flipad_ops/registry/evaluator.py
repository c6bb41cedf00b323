"""The `flipad` evaluator of `mlflow.models.evaluate`: the paper's metrics, source by source.

    mlflow.models.evaluate(
        "models:/faces-attributor@current", data, targets="source",
        model_type="flipad", evaluators="flipad",
    )

`data` has a column `image` (encoded bytes) and the target column: "own" (or true) for the
generator's own images, otherwise the name of their foreign source (or false).
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models.evaluation.artifacts import JsonEvaluationArtifact
from mlflow.models.evaluation.base import EvaluationResult, ModelEvaluator
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.registry.pyfunc import INPUT

MODEL_TYPE = "flipad"
BATCH = 64


class FlipadEvaluator(ModelEvaluator):
    """TPR and, per foreign source, FPR, AUC and balanced accuracy at the threshold.

    `evaluator_config` may hold `threshold`; the model's calibrated one is the default.
    """

    @classmethod
    def can_evaluate(cls, *, model_type: str, evaluator_config: Any, **kwargs: Any) -> bool:
        """Only attributors: `model_type="flipad"`."""
        return model_type == MODEL_TYPE

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,
        run_id: str,
        evaluator_config: dict[str, Any] | None,
        model: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Score the images, log metrics and `flipad_evaluation.json` to the run."""
        if model is None:
            raise _wrong("The flipad evaluator needs a model, not stored predictions.")
        features = dataset.features_data
        if not isinstance(features, pd.DataFrame) or INPUT not in features:
            raise _wrong(f"The data need a column {INPUT!r} of encoded images.")
        if dataset.labels_data is None:
            raise _wrong("The data need a target column: 'own' or the name of a foreign source.")
        threshold = (evaluator_config or {}).get("threshold", _default_threshold(model))
        params = {"threshold": float(threshold), "refuse_unreadable": False}
        frames = [
            model.predict(features[[INPUT]].iloc[start : start + BATCH], params=params)
            for start in range(0, len(features), BATCH)
        ]
        scores = pd.concat(frames)["score"].to_numpy(dtype=np.float64)
        sources = np.array([_source(label) for label in dataset.labels_data])
        read = np.isfinite(scores)
        own = scores[read & (sources == "own")]
        names = sorted(set(sources) - {"own"})
        foreign = {name: scores[read & (sources == name)] for name in names}
        found = evaluate_scores(own, foreign, float(threshold))
        found["unreadable"] = int((~read).sum())
        metrics = {"tpr": found["tpr"]["value"], "unreadable": float(found["unreadable"])}
        for name, stratum in found["strata"].items():
            metrics[f"fpr/{name}"] = stratum["fpr"]["value"]
            metrics[f"auc/{name}"] = stratum["auc"]
            metrics[f"accuracy/{name}"] = stratum["accuracy"]
        metrics = {name: value for name, value in metrics.items() if np.isfinite(value)}
        client = mlflow.MlflowClient()
        for name, value in metrics.items():
            client.log_metric(run_id, name, value)
        client.log_dict(run_id, found, "flipad_evaluation.json")
        uri = f"{client.get_run(run_id).info.artifact_uri}/flipad_evaluation.json"
        make_artifact: Any = JsonEvaluationArtifact
        make_result: Any = EvaluationResult
        artifact = make_artifact(uri=uri, content=found)
        return make_result(metrics=metrics, artifacts={"flipad_evaluation": artifact})


def _source(label: Any) -> str:
    if isinstance(label, (bool, np.bool_)):
        return "own" if label else "foreign"
    return str(label)


def _default_threshold(model: Any) -> float:
    schema = model.metadata.get_params_schema()
    for spec in schema.params if schema is not None else ():
        if spec.name == "threshold":
            return float(spec.default)
    raise _wrong("The model has no threshold parameter: it is not a flipad attributor.")


def _wrong(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
