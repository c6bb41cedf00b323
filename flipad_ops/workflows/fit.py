"""Fit the attributor of a registered generator version, from the registry and back into it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import gather_foreign
from flipad_ops.attribution.inversion_runs import Progress, silent
from flipad_ops.attribution.own_samples import draw_own
from flipad_ops.common.devices import check_device
from flipad_ops.common.errors import UsageError
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import (
    check_place,
    find_attributor,
    link,
    log_attributor,
    mark,
)
from flipad_ops.registry.champions import Standing
from flipad_ops.registry.classes import (
    class_members,
    name_class,
    reuse_attributor,
    reused_attributor,
    serves,
)
from flipad_ops.registry.generators import as_it_was, load_version, stated_sha256
from flipad_ops.registry.store import registry_errors, tracking
from flipad_ops.registry.uris import parse_model, resolve
from flipad_ops.workflows.challenge import log_seen
from flipad_ops.workflows.data_quality import (
    OWN_CHECKED,
    build_manifest,
    expected_of,
    judge_all,
    require,
)
from flipad_ops.workflows.earlier_runs import close_killed, finish
from flipad_ops.workflows.fit_checks import check_request
from flipad_ops.workflows.fit_evidence import log_data, log_data_docs, log_request, log_result
from flipad_ops.workflows.fit_request import FitOutcome, FitRequest
from flipad_ops.workflows.fit_run import fit_run
from flipad_ops.workflows.foreign_sources import check_samples, gather
from flipad_ops.workflows.publishing import publish_unless_weak, stand

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
    check_request(request)
    check_device(request.device)
    config = request.config_sha256()
    with tracking(request.tracking_uri) as client:
        version = resolve(client, parse_model(request.uri))
        if tags.is_attributor(version.tags):
            raise UsageError(f"{version.name} is an attributor; name the generator.")
        if not request.force and as_it_was(client, version):
            found = find_attributor(client, version, config)
            if found is not None:
                return _exists(client, request, version, found)
            shared = reused_attributor(client, version)
            if shared is not None:
                return _outcome("reused", version, shared)
        with fit_run(client, version, request.experiment) as run_id:
            return _Fit(client, request, version, config, run_id, progress).run()


@dataclass
class _Fit:
    """A fit within its MLflow run."""

    client: MlflowClient
    request: FitRequest
    version: ModelVersion
    config: str
    run_id: str
    progress: Progress
    notes: list[str] = field(default_factory=list)

    def run(self) -> FitOutcome:
        client, request, version = self.client, self.request, self.version
        self.progress("load", 0, 0)
        close_killed(client, version, self.run_id)
        check_place(client, version)
        generator = load_version(
            client,
            version,
            device=request.device,
            allow_pickle=request.allow_pickle,
            hashed=True,
        )
        members = self._place(generator)
        if not request.force:
            inversion = generator.inversion_sha256
            found = find_attributor(client, version, self.config)
            if found is not None and serves(client, found, inversion):
                return _exists(client, request, version, found)
            reused = reuse_attributor(client, version, members, inversion)
            if reused is not None:
                return _outcome("reused", version, reused, run_id=self.run_id)
        result = self._fit(generator, members)
        standing = stand(client, request, version, result, generator, self.progress)
        self.progress("register", 0, 0)
        attributor = self._register(result, standing)
        self.progress("publish", 0, 0)
        attributor, champion = publish_unless_weak(
            client, attributor, version, request, force=request.force
        )
        self.notes += _name_class(client, version, attributor)
        return _outcome(
            "fitted",
            version,
            attributor,
            run_id=self.run_id,
            threshold=result.attributor.calibration.threshold,
            evaluation=result.attributor.evaluation,
            timings=result.timings,
            champion=champion,
            compared=standing.told,
            notes=tuple(self.notes),
        )

    def _place(self, generator: SplitGenerator) -> dict[str, ModelVersion]:
        """Note what decides the version's class, and name the members of that class."""
        hashes = tags.hashes_of(generator)
        stated = stated_sha256(self.client, self.version)
        with registry_errors(self.version.name):
            mark(self.client, self.version, {**hashes, tags.STATED: stated})
            if not link(self.client, self.run_id, self.version):
                self.notes.append(NO_LINEAGE)
        return class_members(self.client, self.version, hashes)

    def _fit(self, generator: SplitGenerator, members: Iterable[str]) -> FitResult:
        """Gather, gate, fit, log."""
        request, settings = self.request, self.request.fit_settings()
        check_samples(generator)
        if not generator.layer.inverts:
            settings = settings.at_most(generator.latent.at_most(sys.maxsize))
        self.progress("negatives", 0, 0)
        own = draw_own(generator, settings)
        gathered = gather(self.client, generator, request, settings, own.images, self.progress)
        with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
            folder = Path(temporary)
            log_request(generator, settings, _named(request, self.config))
            self.progress("gate", 0, 0)
            manifest = build_manifest(gathered, own.images[:OWN_CHECKED], generator.space)
            tables = expected_of(manifest, generator.space, settings)
            judged = judge_all(tables)
            log_data(gathered, manifest, judged, folder)
            if request.data_docs:
                log_data_docs(tables, folder)
            require(judged)
            result = fit_attributor(
                generator,
                gathered.images,
                settings,
                own=own,
                equivalence_class=tuple(members),
                device=request.device,
                progress=self.progress,
            )
            self.progress("log", 0, 0)
            log_result(result, folder)
            log_seen(gather_foreign(gathered.images, generator.sample_shape, settings))
        self.notes += gathered.notes
        return result

    def _register(self, result: FitResult, standing: Standing) -> ModelVersion:
        sources = ", ".join(
            f"{name} ({len(scores)} test images)"
            for name, scores in result.test_scores.items()
            if name != "own"
        )
        recipe = self.request.recipe if self.request.settings is None else "settings given"
        return log_attributor(
            self.client,
            result,
            self.version,
            config_sha256=self.config,
            run_id=self.run_id,
            notes={
                "foreign sources": sources,
                "recipe": recipe,
                "left out": "; ".join(self.notes) or "nothing",
            },
            lines=standing.lines(),
            further=standing.tags(),
        )


def _exists(
    client: MlflowClient, request: FitRequest, version: ModelVersion, found: ModelVersion
) -> FitOutcome:
    """There is an attributor of this configuration: what a kill cut short is completed."""
    found, champion = publish_unless_weak(client, found, version, request, force=False)
    _name_class(client, version, found)
    finish(client, found.run_id)
    return _outcome("exists", version, found, champion=champion)


def _name_class(client: MlflowClient, version: ModelVersion, attributor: ModelVersion) -> list[str]:
    """Name the class of versions with this final layer on each; notes on what was refused."""
    with registry_errors(version.name):
        members = class_members(client, version, attributor.tags)
        refused = name_class(client, members, attributor, version)
    return [f"not allowed to tag {name} with its class" for name in refused]


def _named(request: FitRequest, config: str) -> dict[str, Any]:
    return {
        "recipe": request.recipe,
        "negatives": ", ".join(request.negatives),
        "negatives_models": ", ".join(request.negatives_models),
        "registry": str(request.registry).lower(),
        "group": request.group,
        "patch_scale": request.patch_scale,
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
        weak=attributor.tags.get(tags.WEAK, ""),
        accepted=attributor.tags.get(tags.ACCEPTED, ""),
        **fields,
    )
