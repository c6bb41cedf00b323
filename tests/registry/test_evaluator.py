from __future__ import annotations

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from flipad_ops.registry.generators import load_generator
from flipad_ops.samples.png import encode_png


@pytest.fixture(autouse=True)
def _registered_plugin(fitted: str) -> None:
    # Importing these warns inside MLflow; the entry point of the installed package registers.
    from mlflow.models.evaluation.evaluator_registry import _model_evaluation_registry

    from flipad_ops.registry.evaluator import FlipadEvaluator

    _model_evaluation_registry.register("flipad", FlipadEvaluator)
    mlflow.set_tracking_uri(fitted)


def frame(store: str) -> pd.DataFrame:
    rows = []
    for version, source in (("1", "own"), ("2", "sibling")):
        images = load_generator(f"tiny/{version}", tracking_uri=store).sample(20, seed=77)
        rows += [{"image": encode_png(image), "source": source} for image in images]
    return pd.DataFrame([*rows, {"image": b"broken", "source": "sibling"}])


def test_metrics_by_source(fitted: str) -> None:
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(
            "models:/tiny-attributor/1", frame(fitted), targets="source",
            model_type="flipad", evaluators="flipad",
        )  # fmt: skip
    assert result.metrics["tpr"] >= 0.8
    assert result.metrics["auc/sibling"] > 0.9
    assert result.metrics["unreadable"] == 1
    logged = MlflowClient(fitted).get_run(run.info.run_id).data.metrics
    assert logged["accuracy/sibling"] == result.metrics["accuracy/sibling"]
    content = result.artifacts["flipad_evaluation"].content
    assert content["strata"]["sibling"]["fpr"]["count"] == 20


def test_threshold_and_refusals(fitted: str) -> None:
    data = frame(fitted)
    result = mlflow.models.evaluate(
        "models:/tiny-attributor/1", data, targets="source", model_type="flipad",
        evaluators="flipad", evaluator_config={"threshold": 0.0},
    )  # fmt: skip
    assert result.metrics["tpr"] == 0
    with pytest.raises(MlflowException, match="target column"):
        mlflow.models.evaluate(
            "models:/tiny-attributor/1", data[["image"]], model_type="flipad", evaluators="flipad"
        )
