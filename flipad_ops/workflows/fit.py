"""Fit the attributor of a registered generator version, from the registry and back into it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.attribution.fitting import FitResult, fit_attributor, own_seed
from flipad_ops.attribution.inversion_runs import Progress, silent
from flipad_ops.common.devices import check_device
from flipad_ops.common.errors import FlipadError, NotAttributable, UsageError, first_line
from flipad_ops.common.time_limit import last_words
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import (
    check_rights,
    find_attributor,
    link,
    log_attributor,
    mark,
    publish,
)
from flipad_ops.registry.classes import (
    class_members,
    name_class,
    reuse_attributor,
    reused_attributor,
)
from flipad_ops.registry.generators import load_version
from flipad_ops.registry.store import ensure_experiment, registry_errors, tracking
from flipad_ops.registry.uris import parse_model, resolve
from flipad_ops.storage import open_target
from flipad_ops.storage.table_files import SUFFIXES
from flipad_ops.workflows.data_quality import OWN_CHECKED, build_manifest, check_manifest, require
from flipad_ops.workflows.earlier_runs import PROCESS, close_killed, finish, this_process
from flipad_ops.workflows.fit_evidence import log_data, log_request, log_result
from flipad_ops.workflows.fit_request import FitOutcome, FitRequest
from flipad_ops.workflows.foreign_sources import check_samples, gather

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["FitOutcome", "FitRequest", "fit"]

NO_LINEAGE = "not allowed to enter the generator as an input of the run (EDIT on logged models)"


def fit(request: FitRequest, progress: Progress = silent) -> FitOutcome:
    """Load, split, gather, gate, fit, evaluate, log, register.

    Repeating it is safe: a version that has an attributor of this configuration is left as it
    is (its aliases and tags are completed if a kill cut them short), and a failed or killed fit
    leaves a status and a reason on the generator version and no attributor version.

    Raises
    ------
    FlipadError
    """
    check_device(request.device)
    settings = request.fit_settings()
    _check_places(request)
    config = request.config_sha256()
    with tracking(request.tracking_uri) as client:
        version = resolve(client, parse_model(request.uri))
        if tags.is_attributor(version.name):
            raise UsageError(f"{version.name} is an attributor; name the generator.")
        found = None if request.force else find_attributor(client, version, config)
        if found is not None:
            champion = publish(client, found, version, force=False)
            _name_class(client, version, found)
            finish(client, found.run_id)
            return _outcome("exists", version, found, champion=champion)
        shared = None if request.force else reused_attributor(client, version)
        if shared is not None:
            return _outcome("reused", version, shared)
        with _fit_run(client, version, request) as run_id:
            progress("load", 0, 0)
            close_killed(client, version, run_id)
            check_rights(client, version)
            generator = load_version(
                client, version, device=request.device, allow_pickle=request.allow_pickle
            )
            hashes = {
                tags.LAYER: generator.layer.sha256(),
                tags.DECODER: generator.decoder_sha256,
            }
            notes = []
            with registry_errors(version.name):
                mark(client, version, hashes)
                if not link(client, run_id, version):
                    notes.append(NO_LINEAGE)
            members = class_members(client, version, generator.layer.sha256())
            reused = None if request.force else reuse_attributor(client, version, members)
            if reused is not None:
                return _outcome("reused", version, reused, run_id=run_id)
            check_samples(generator)
            if not generator.layer.inverts:
                settings = settings.at_most(generator.latent.at_most(sys.maxsize))
            progress("negatives", 0, 0)
            gathered = gather(client, generator, request, settings, progress)
            with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
                folder = Path(temporary)
                log_request(generator, settings, _named(request, config))
                progress("gate", 0, 0)
                checked = generator.latent.at_most(OWN_CHECKED)
                own = generator.sample(checked, own_seed(settings))
                manifest = build_manifest(gathered, own, generator.space)
                failures = check_manifest(manifest, generator.space, settings, folder / "data_docs")
                log_data(gathered, manifest, folder / "data_docs")
                require(failures)
                result = fit_attributor(
                    generator,
                    gathered.images,
                    settings,
                    equivalence_class=tuple(members),
                    device=request.device,
                    progress=progress,
                )
                progress("log", 0, 0)
                log_result(result, folder)
            progress("register", 0, 0)
            notes += gathered.notes
            attributor = _register(client, result, version, config, run_id, request, notes)
            progress("publish", 0, 0)
            champion = publish(client, attributor, version, force=request.force)
            notes += _name_class(client, version, attributor)
            return _outcome(
                "fitted",
                version,
                attributor,
                run_id=run_id,
                threshold=result.attributor.calibration.threshold,
                evaluation=result.attributor.evaluation,
                timings=result.timings,
                champion=champion,
                notes=tuple(notes),
            )


def _register(
    client: MlflowClient,
    result: FitResult,
    version: ModelVersion,
    config: str,
    run_id: str,
    request: FitRequest,
    notes: list[str],
) -> ModelVersion:
    sources = ", ".join(
        f"{name} ({len(scores)} test images)"
        for name, scores in result.test_scores.items()
        if name != "own"
    )
    return log_attributor(
        client,
        result,
        version,
        config_sha256=config,
        run_id=run_id,
        notes={
            "foreign sources": sources,
            "recipe": request.recipe if request.settings is None else "settings given",
            "left out": "; ".join(notes) or "nothing",
        },
    )


def _name_class(client: MlflowClient, version: ModelVersion, attributor: ModelVersion) -> list[str]:
    """Name the class of versions with this final layer on each; notes on what was refused."""
    with registry_errors(version.name):
        members = class_members(client, version, attributor.tags[tags.LAYER])
        refused = name_class(client, members, attributor, version)
    return [f"not allowed to tag {name} with its class" for name in refused]


@contextmanager
def _fit_run(client: MlflowClient, version: ModelVersion, request: FitRequest) -> Iterator[str]:
    """An MLflow run around a fit; failures end it and leave their reason on the version."""
    import mlflow

    with registry_errors():
        # `mlflow run` has made the run and its experiment already.
        attach = mlflow.environment_variables.MLFLOW_RUN_ID.defined
        run = mlflow.start_run(
            experiment_id=None if attach else ensure_experiment(client, request.experiment),
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


def _check_places(request: FitRequest) -> None:
    for place in request.negatives:
        if "://" in place:
            open_target(place)
        elif not (Path(place).is_dir() or (Path(place).is_file() and place.endswith(SUFFIXES))):
            raise UsageError(f"{place} is not a folder.")


def _named(request: FitRequest, config: str) -> dict[str, Any]:
    return {
        "recipe": request.recipe,
        "negatives": ", ".join(request.negatives),
        "negatives_models": ", ".join(request.negatives_models),
        "device": request.device,
        "config_sha256": config,
    }


def _outcome(
    status: Any, generator: ModelVersion, attributor: ModelVersion, **fields: Any
) -> FitOutcome:
    return FitOutcome(
        status=status,
        generator=generator.name,
        generator_version=str(generator.version),
        attributor=attributor.name,
        version=str(attributor.version),
        **fields,
    )
