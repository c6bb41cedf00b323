"""Put into the MLflow run what a reviewer of a fit needs."""

from __future__ import annotations

import csv
import hashlib
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult
from flipad_ops.common.version import __version__
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry.store import registry_errors
from flipad_ops.workflows import fit_pictures as pictures
from flipad_ops.workflows.data_quality import Manifest
from flipad_ops.workflows.expectations import Expectation, Judged, Table
from flipad_ops.workflows.gathered import Gathered


def log_request(generator: SplitGenerator, settings: FitSettings, named: Mapping[str, Any]) -> None:
    """Parameters: the generator's split, every setting, what was asked for."""
    import mlflow

    values = {
        **named,
        "generator": f"{generator.name}/{generator.version}",
        "final_layer": generator.layer.kind,
        "final_layer_sha256": generator.layer.sha256(),
        "decoder_sha256": generator.decoder_sha256,
        "activation": generator.output_map.activation,
        "sample_shape": "x".join(map(str, generator.sample_shape)),
        **_flat(settings.to_dict()),
        "flipad_ops": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    with registry_errors():
        # `mlflow run` has logged its own parameters, in its own spelling, and allows no change.
        run = mlflow.active_run()
        known = mlflow.MlflowClient().get_run(run.info.run_id).data.params if run else {}
        mlflow.log_params({key: value for key, value in values.items() if key not in known})


def log_data(
    gathered: Gathered, manifest: Manifest, judged: Sequence[Judged], folder: Path
) -> None:
    """Dataset inputs with digests, the manifest as CSV, what the gate expected and saw."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    with registry_errors():
        for name, hashes in gathered.hashes.items():
            digest = hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()
            source = CodeDatasetSource({"mlflow.source.name": gathered.origins[name]})
            dataset = MetaDataset(source, name=name, digest=digest[:32])  # type: ignore[abstract]
            mlflow.log_input(dataset, context="foreign", tags={"images": str(len(hashes))})
        columns = {name: [*manifest.images[name], *manifest.own[name]] for name in manifest.own}
        _log_csv(folder / "manifest.csv", columns)
        mlflow.log_dict({"expectations": [each.to_dict() for each in judged]}, "data/quality.json")


def log_data_docs(tables: Mapping[str, tuple[Table, Sequence[Expectation]]], folder: Path) -> None:
    """The gate's pages, by great_expectations."""
    import mlflow

    from flipad_ops.workflows.data_docs import write_data_docs

    docs = folder / "data_docs"
    write_data_docs(tables, docs)
    # Tool logos: three megabytes that no page of ours needs.
    shutil.rmtree(docs / "static" / "images", ignore_errors=True)
    with registry_errors():
        mlflow.log_artifacts(str(docs), "data_docs")


def log_result(result: FitResult, folder: Path) -> None:
    """Metrics by stratum, loss by epoch, timings, pictures, scores."""
    import mlflow

    evaluation = result.attributor.evaluation
    metrics = {
        "tpr": evaluation["tpr"]["value"],
        "tpr_low": evaluation["tpr"]["low"],
        "threshold": result.attributor.calibration.threshold,
        "p_floor": result.attributor.p_floor,
        "unconverged": result.unconverged,
    }
    for name, stratum in evaluation["strata"].items():
        metrics[f"fpr/{name}"] = stratum["fpr"]["value"]
        metrics[f"fpr_high/{name}"] = stratum["fpr"]["high"]
        metrics[f"auc/{name}"] = stratum["auc"]
        metrics[f"accuracy/{name}"] = stratum["accuracy"]
    altered = evaluation.get("altered")
    if altered is not None:
        metrics["tpr_altered"] = altered["tpr"]["value"]
        for name, stratum in altered["strata"].items():
            metrics[f"fpr_altered/{name}"] = stratum["fpr"]["value"]
    metrics |= {f"seconds/{stage}": seconds for stage, seconds in result.timings.items()}
    figures = {
        "loss.png": pictures.loss_curve(result.losses),
        "scores.png": pictures.score_histogram(
            result.test_scores, result.attributor.calibration.threshold
        ),
        "roc.png": pictures.roc(result.test_scores),
        "activations.png": pictures.activation_maps(result),
        "gallery.png": pictures.gallery(result.examples),
    }
    with registry_errors():
        mlflow.log_metrics({key: value for key, value in metrics.items() if np.isfinite(value)})
        for epoch, loss in enumerate(result.losses):
            mlflow.log_metric("loss", loss, step=epoch + 1)
        mlflow.log_dict(dict(evaluation), "evaluation.json")
        scores = [(n, float(v)) for n, values in result.test_scores.items() for v in values]
        names, values = zip(*scores, strict=True)
        _log_csv(folder / "scores.csv", {"source": names, "score": values})
        for name, figure in figures.items():
            if figure is not None:
                figure.savefig(folder / name, dpi=120)
                mlflow.log_artifact(str(folder / name), "pictures")


def _log_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    import mlflow

    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    mlflow.log_artifact(str(path), "data")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
