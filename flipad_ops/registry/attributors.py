"""Log an attributor, register it as one version, and tie it to its generator version."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import UsageError
from flipad_ops.common.version import __version__
from flipad_ops.generators.layer import inversion_sha256
from flipad_ops.registry import tags
from flipad_ops.registry.denials import unless_denied
from flipad_ops.registry.registering import ensure_model, quiet_mlflow
from flipad_ops.registry.store import no_such_thing, registry_errors
from flipad_ops.registry.uris import quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from flipad_ops.attribution.attributor import Attributor
    from flipad_ops.attribution.fitting import FitResult


def log_attributor(
    client: MlflowClient,
    result: FitResult,
    generator: ModelVersion,
    *,
    config_sha256: str,
    run_id: str,
    notes: Mapping[str, Any] | None = None,
    lines: Sequence[str] = (),
    further: Mapping[str, str] | None = None,
) -> ModelVersion:
    """Log `result` in the active run and register it; `champions.publish` comes next.

    `notes` are rows and `lines` paragraphs of the card, `further` are tags.

    The version is created with all of its tags in one request, after everything that can fail:
    there is no moment at which a half-described version exists.
    """
    from flipad_ops.attribution.serialisation import attributor_sha256, save_attributor
    from flipad_ops.registry.card import model_card, shortened

    name = tags.attributor_name(generator.name)
    with (
        tempfile.TemporaryDirectory(prefix="flipad-") as temporary,
        registry_errors(name),
        quiet_mlflow(),
    ):
        folder = save_attributor(result.attributor, Path(temporary) / "attributor")
        model_id = _log(result, folder)
        ensure_model(
            client,
            name,
            tags={tags.GENERATOR: generator.name},
            description=f"Attributors of the versions of model {generator.name}, by flipad_ops.",
        )
        card = model_card(result, generator, notes or {}, lines)
        facts = _tags(result, generator, config_sha256, attributor_sha256(folder))
        client.set_tag(run_id, "mlflow.note.content", card)  # the run's description in the UI
        return client.create_model_version(
            name,
            f"models:/{model_id}",
            run_id=run_id,
            tags={**facts, **(further or {})},
            description=shortened(card),
            model_id=model_id,
        )


def find_attributor(
    client: MlflowClient, generator: ModelVersion, config_sha256: str
) -> ModelVersion | None:
    """The newest attributor of this generator version and configuration, if there is one."""
    name = tags.attributor_name(generator.name)
    with registry_errors():
        found = client.search_model_versions(
            f"name = {quoted(name)} AND tags.`{tags.GENERATOR_VERSION}` = '{generator.version}' "
            f"AND tags.`{tags.CONFIG}` = '{config_sha256}'",
            order_by=["version_number DESC"],
        )
    return found[0] if found else None


def mark(client: MlflowClient, version: ModelVersion, values: Mapping[str, str | None]) -> None:
    """Set tags of a model version; None removes one. Only what differs is sent."""
    for key, value in values.items():
        before = version.tags.get(key)
        if value is None and before:
            refused: list[str] = []
            with unless_denied(refused, key):
                client.delete_model_version_tag(version.name, str(version.version), key)
            if refused:  # removing a tag takes more rights than writing one
                client.set_model_version_tag(version.name, str(version.version), key, "")
        elif value is not None and before != tags.cut(key, value):
            client.set_model_version_tag(
                version.name, str(version.version), key, tags.cut(key, value)
            )


def by_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """The version behind an alias, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if no_such_thing(error):
            return None
        raise


def link(client: MlflowClient, run_id: str, generator: ModelVersion) -> bool:
    """Enter the generator's logged model as an input of the run: MLflow's own lineage.

    Returns whether it could: the account may not be allowed to, and the tags say the same.
    """
    from mlflow.entities import LoggedModelInput

    refused: list[str] = []
    model_id = logged_model_id(generator)
    if model_id:
        with unless_denied(refused, model_id):
            client.log_inputs(run_id, models=[LoggedModelInput(model_id)])
    return not refused


def check_place(client: MlflowClient, generator: ModelVersion) -> None:
    """Show that an existing model of the attributors' name holds attributors, and that it may be
    edited, by a tag that it has already.

    Better before a fit than after it.

    Raises
    ------
    UsageError
    """
    name = tags.attributor_name(generator.name)
    with registry_errors(name):
        models = client.search_registered_models(f"name = {quoted(name)}", max_results=1)
        if not models:
            return
        if tags.GENERATOR not in models[0].tags:
            newest = client.search_model_versions(
                f"name = {quoted(name)}", max_results=1, order_by=["version_number DESC"]
            )
            if not (newest and tags.is_attributor(newest[0].tags)):
                raise UsageError(
                    f"The registered model {name!r} is somebody's own and holds no attributor: "
                    f"rename it, since the attributors of {generator.name!r} go under that name."
                )
        client.set_registered_model_tag(name, tags.GENERATOR, generator.name)


def inversion_of(attributor: Attributor) -> str:
    """What `SplitGenerator.inversion_sha256` is of its generator."""
    return inversion_sha256(attributor.layer, attributor.output_map, attributor.space)


def logged_model_id(version: ModelVersion) -> str | None:
    """The logged model behind a version; MLflow tells it only through the source."""
    source = str(version.source or "")
    return source.removeprefix("models:/") if source.startswith("models:/m-") else None


def _log(result: FitResult, folder: Path) -> str:
    import mlflow

    from flipad_ops.registry import pyfunc

    info = mlflow.pyfunc.log_model(
        name="attributor",
        python_model=str(Path(__file__).with_name("pyfunc_model.py")),
        artifacts={pyfunc.ARTIFACT: str(folder)},
        # Shown in the UI; load_model(..., model_config={"device": "cuda"}) overrides it.
        model_config={"device": "cpu"},
        signature=pyfunc.signature(
            result.attributor.calibration.threshold, result.attributor.space.fields
        ),
        pip_requirements=[f"flipad-ops=={__version__}"],
        input_example=_example(result),
        metadata={"flipad": dict(result.attributor.generator)},
    )
    return str(info.model_id)


def _example(result: FitResult) -> Any:
    """A held-out own image as a PNG, or a row, so that the UI shows how to call the model."""
    import pandas as pd

    row = result.attributor.space.to_example(result.examples["own"][0])
    return None if row is None else pd.DataFrame([row])


def _tags(
    result: FitResult, generator: ModelVersion, config_sha256: str, files_sha256: str
) -> dict[str, str]:
    from flipad_ops.attribution.foreign_images import SELF_MADE

    facts, evaluation = result.attributor.generator, result.attributor.evaluation
    fprs = {name: stratum["fpr"]["value"] for name, stratum in evaluation["strata"].items()}
    given = [fpr for name, fpr in fprs.items() if name != SELF_MADE]
    return {
        tags.GENERATOR: generator.name,
        tags.GENERATOR_VERSION: str(generator.version),
        tags.LAYER: facts["final_layer_sha256"],
        tags.DECODER: facts["decoder_sha256"],
        tags.INVERSION: inversion_of(result.attributor),
        tags.CONFIG: config_sha256,
        tags.CLASS: tags.names_text(facts["equivalence_class"]),
        tags.FILES: files_sha256,
        tags.TPR: f"{evaluation['tpr']['value']:.6f}",
        tags.FPR: f"{max(fprs.values()):.6f}",
        tags.FPR_GIVEN: f"{max(given):.6f}",
    }
