"""After a fit: what it is worth, and whether the registry is to use it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.inversion_runs import Progress
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry import tags
from flipad_ops.registry.champions import (
    Standing,
    accept,
    champion_of,
    hold_back,
    publish,
)
from flipad_ops.workflows.challenge import challenge, log_comparison
from flipad_ops.workflows.fit_request import FitRequest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def stand(
    client: MlflowClient,
    request: FitRequest,
    version: ModelVersion,
    result: FitResult,
    generator: SplitGenerator,
    progress: Progress,
) -> Standing:
    """Whether a fit is weak, and how it does beside the current attributor of its version."""
    standing = Standing.of(result.attributor.evaluation, request.accept_weak)
    champion = champion_of(client, version)
    if standing.held_back or champion is None:
        return standing
    progress("compare", 0, 0)
    found = challenge(
        client,
        result,
        generator,
        champion,
        device=request.device,
        allow_pickle=request.allow_pickle,
    )
    if isinstance(found, str):
        return replace(standing, not_compared=found)
    log_comparison(found)
    return replace(standing, comparison=found)


def publish_unless_weak(
    client: MlflowClient,
    attributor: ModelVersion,
    version: ModelVersion,
    request: FitRequest,
    *,
    force: bool,
) -> tuple[ModelVersion, bool]:
    """Publish an attributor of `version`, unless it is weak and the request does not say why to.

    Returns
    -------
    ModelVersion, bool
        The attributor as it is then, and whether the aliases point at it.
    """
    if tags.held_back(attributor.tags):
        if not request.accept_weak:
            hold_back(client, attributor, version)
            return attributor, False
        attributor = accept(client, attributor, request.accept_weak)
    return attributor, publish(client, attributor, version, force=force)
