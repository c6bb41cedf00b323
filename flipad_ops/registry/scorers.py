"""Attributors for a scan: by generator, by attributor, from a folder, or all of a registry."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.judgement import Attribution, Screening
from flipad_ops.attribution.scorer import AttributorCard, ScoreBatch, Scorer
from flipad_ops.attribution.serialisation import JSON_NAME, attributor_sha256, load_attributor
from flipad_ops.attribution.testimony import Testimony
from flipad_ops.common.allocator import keep_freed_memory
from flipad_ops.common.devices import check_device
from flipad_ops.common.errors import (
    AttributorCorrupt,
    AttributorMissing,
    GeneratorNotFound,
    LayerMismatch,
)
from flipad_ops.generators import SplitGenerator
from flipad_ops.inversion import InversionResult
from flipad_ops.registry import tags
from flipad_ops.registry.attributor_card import card_of, spoken
from flipad_ops.registry.attributors import inversion_of
from flipad_ops.registry.generators import download
from flipad_ops.registry.inventory import aliases_by_model
from flipad_ops.registry.second_witness import attach_all
from flipad_ops.registry.store import registry_errors, tracking
from flipad_ops.registry.uris import ModelRef, parse_model, resolve
from flipad_ops.samples.sample_kinds import decodable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


class LoadedScorer:
    """An attributor as a scan sees it; see `flipad_ops.attribution.scorer.Scorer`.

    Its `silent` says why its second witness does not speak; "" when it does, or there is none.
    """

    def __init__(self, attributor: Attributor, card: AttributorCard) -> None:
        self.attributor = attributor
        self.card = card
        self.name = card.attributor_name
        self.version = card.attributor_version
        self.space = decodable(attributor.space)
        self.threshold = attributor.calibration.threshold
        self.p_floor = attributor.p_floor
        self.inversion_key = attributor.inversion_key
        self.silent = ""

    def bring(self, generator: SplitGenerator) -> None:
        """Let the attributor's second witness speak; see `Attributor.bring`."""
        self.attributor.bring(generator)
        self.card, self.p_floor = spoken(self.card, self.attributor), self.attributor.p_floor

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        """Score (n, *space.shape) float32 pixels in [0, 1]."""
        return _batch(self.attributor.score(pixels), residual)

    @property
    def sifts(self) -> bool:
        """See `SiftingScorer`, as for the next one."""
        return self.attributor.second is not None

    def promising(self, pixels: Tensor) -> NDArray[np.bool_]:
        return self.attributor.promising(pixels)

    def screen(self, pixels: Tensor) -> Screening:
        """See `SharingScorer`, as for the next two."""
        return self.attributor.screen(pixels)

    def invert(self, pixels: Tensor) -> InversionResult:
        return self.attributor.invert(pixels)

    def conclude(
        self, pixels: Tensor, screening: Screening, inverted: InversionResult | None
    ) -> ScoreBatch:
        result = _batch(self.attributor.conclude(pixels, screening, inverted))
        return replace(result, score=np.where(np.isfinite(result.score), result.score, np.nan))

    def show(self, testimony: Testimony) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """See `Remaker`, as for the next one."""
        return self.attributor.show(testimony)

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        return self.attributor.distance(pixels, testimony)


def _batch(result: Attribution, residual: bool = False) -> ScoreBatch:
    return ScoreBatch(
        score=result.score,
        p=result.p,
        attributed=result.attributed,
        converged=result.converged,
        screened=~result.inverted,
        residual=result.residual.numpy() if residual else None,
        recompressed=result.recompressed,
        testimony=result.testimony,
        stages=result.stages,
    )


def load_scorers(
    models: Sequence[str],
    all_models: bool = False,
    device: str = "cpu",
    tracking_uri: str | None = None,
    allow_pickle: bool = False,
) -> list[Scorer]:
    """Load the attributors that `models` name, each once, in that order, and the generators that
    their second witnesses need.

    Parameters
    ----------
    models : sequence of str
        NAME (its `current` attributor), NAME/VERSION or NAME@ALIAS of a generator; the same of
        an attributor model; or a folder written by `save_attributor`.
    all_models : bool
        The `current` attributor of every generator as well.
    allow_pickle : bool
        Of those generators; see `registry.generators.load_generator`.

    Raises
    ------
    GeneratorNotFound, AttributorMissing, AttributorCorrupt, AttributorUncalibrated, LayerMismatch
    UsageError
        No such device.
    """
    check_device(device)
    keep_freed_memory()
    scorers: list[LoadedScorer] = []
    folders = [text for text in models if (Path(text) / JSON_NAME).is_file()]
    names = [text for text in models if text not in folders]
    for text in folders:
        scorers.append(from_folder(Path(text), device))
    if names or all_models:
        with tracking(tracking_uri) as client:
            versions = [attributor_version(client, parse_model(text)) for text in names]
            versions += current_attributors(client) if all_models else []
            unique = {(v.name, str(v.version)): v for v in versions}
            scorers += [from_version(client, version, device) for version in unique.values()]
    attach_all(scorers, device, tracking_uri, allow_pickle)
    return [*scorers]


def attributor_version(client: MlflowClient, ref: ModelRef) -> ModelVersion:
    """The attributor version for a generator or attributor reference.

    Raises
    ------
    GeneratorNotFound, AttributorMissing
    """
    if not ref.version and not ref.alias:
        for name in (ref.name, tags.attributor_name(ref.name)):
            with suppress(GeneratorNotFound):
                found = resolve(client, ModelRef(name, alias=tags.CURRENT))
                if tags.is_attributor(found.tags):
                    return found
    try:
        generator = resolve(client, ref)  # without a current attributor it says why
    except GeneratorNotFound as error:
        if ref.name.endswith(tags.SUFFIX):
            raise AttributorMissing(f"There is no attributor {ref}.") from error
        raise
    if tags.is_attributor(generator.tags):
        if ref.version or ref.alias:
            return generator
        raise AttributorMissing(f"There is no attributor {ModelRef(ref.name, alias=tags.CURRENT)}.")
    where = f"models:/{generator.name}/{generator.version}"
    stated = generator.tags.get(tags.ATTRIBUTOR, "")
    if stated:
        return _resolve(client, parse_model(stated), f"The attributor {stated} of {where} is gone.")
    raise AttributorMissing(_why_missing(generator, where))


def current_attributors(client: MlflowClient) -> list[ModelVersion]:
    """The `current` version of every attributor model, by name.

    Raises
    ------
    AttributorMissing
        There is none.
    """
    with registry_errors():
        found = [
            version
            for model, aliases in aliases_by_model(client).items()
            if tags.CURRENT in aliases
            and tags.is_attributor(
                (version := client.get_model_version(model, aliases[tags.CURRENT])).tags
            )
        ]
    if not found:
        raise AttributorMissing("The registry holds no attributor: run flipadops fit first.")
    return sorted(found, key=lambda version: str(version.name))


def from_version(client: MlflowClient, version: ModelVersion, device: str) -> LoadedScorer:
    """Fetch and check an attributor version."""
    where = f"{version.name}/{version.version}"
    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        root = download(version, Path(temporary)) / "artifacts" / "attributor"
        if not (root / JSON_NAME).is_file():
            raise AttributorCorrupt(f"{where} holds no attributor ({JSON_NAME}).")
        stated = version.tags.get(tags.FILES)
        if stated and stated != attributor_sha256(root):
            raise AttributorCorrupt(f"The files of {where} are not those that were registered.")
        scorer = from_folder(root, device, version)
    _check_layer(client, scorer, where)
    return scorer


def from_folder(folder: Path, device: str, version: ModelVersion | None = None) -> LoadedScorer:
    """Load an attributor folder; `version` says what it is called in the registry."""
    attributor = load_attributor(folder, device)
    decodable(attributor.space)
    written_by = json.loads((folder / JSON_NAME).read_text()).get("code_version", "")
    return LoadedScorer(
        attributor, card_of(attributor, attributor_sha256(folder), written_by, version)
    )


def _check_layer(client: MlflowClient, scorer: LoadedScorer, where: str) -> None:
    card = scorer.card
    try:
        generator = resolve(client, ModelRef(card.generator_name, card.generator_version))
    except GeneratorNotFound:
        return  # deleted since; its images may still be about
    inversion = generator.tags.get(tags.INVERSION)
    if inversion and inversion != inversion_of(scorer.attributor):
        raise LayerMismatch(
            f"{where} was fitted for another output range, activation or grid than "
            f"models:/{generator.name}/{generator.version} has now: fit it again."
        )
    stated = generator.tags.get(tags.LAYER)
    if stated and stated != card.final_layer_sha256:
        raise LayerMismatch(
            f"{where} was fitted for final layer {card.final_layer_sha256[:12]} but "
            f"models:/{generator.name}/{generator.version} has {stated[:12]}: fit it again."
        )


def _resolve(client: MlflowClient, ref: ModelRef, missing: str) -> ModelVersion:
    try:
        return resolve(client, ref)
    except GeneratorNotFound as error:
        raise AttributorMissing(missing) from error


def _why_missing(generator: ModelVersion, where: str) -> str:
    status, reason = generator.tags.get(tags.STATUS), generator.tags.get(tags.REASON, "")
    if status == tags.WEAK_FIT and reason:
        return (
            f"{where} has no published attributor: {reason} To use it as it is: flipadops fit "
            f"{where} --accept-weak REASON."
        )
    if status in (tags.FAILED, tags.UNATTRIBUTABLE) and reason:
        return f"{where} has no attributor, its fit failed: {reason}"
    if status == tags.FITTING:
        return f"{where} has no attributor yet: its fit is under way or was cut short."
    return f"{where} has no attributor: run flipadops fit {where}."
