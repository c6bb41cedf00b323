"""An attributor's card: where it comes from and how it was calibrated, for findings and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.scorer import LOCAL, AttributorCard
from flipad_ops.attribution.words_of_rates import RECOMPRESSED, lacking, stated
from flipad_ops.registry import tags

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def card_of(
    attributor: Attributor, sha256: str, written_by: str, version: ModelVersion | None
) -> AttributorCard:
    """The card of an attributor; `version` says what it is called in the registry."""
    facts, calibration = attributor.generator, attributor.calibration
    settings = attributor.settings
    shared = tuple(facts["equivalence_class"])
    if version is not None and version.tags.get(tags.CLASS):
        # Versions that joined the class after the fit are named by the tag alone.
        shared = tags.names_of(version.tags[tags.CLASS], shared)
    reference = attributor.reference
    card = AttributorCard(
        attributor_name=version.name if version else tags.attributor_name(facts["name"]),
        attributor_version=str(version.version) if version else LOCAL,
        attributor_sha256=sha256,
        generator_name=facts["name"],
        generator_version=facts["version"],
        final_layer_sha256=facts["final_layer_sha256"],
        decoder_sha256=facts["decoder_sha256"],
        equivalence_class=shared,
        checkpoints=tuple(facts.get("checkpoints", ())),
        threshold=calibration.threshold,
        target_fnr=settings.fnr,
        n_own_calibration=len(calibration.own_scores),
        code_version=written_by,
        seed=settings.seed,
        alpha=settings.inversion.alpha,
        solver=settings.inversion.solver,
        tolerance=settings.inversion.tolerance,
        reference=None if reference is None else reference.permute(1, 2, 0).numpy(),
        unit=attributor.space.unit,
        basis=attributor.basis,
        strata={},
        measured={},
        own_scores=(),
        null_scores={},
    )
    return spoken(card, attributor)


def spoken(card: AttributorCard, attributor: Attributor) -> AttributorCard:
    """The card with the rates and scores of the witnesses that speak."""
    calibration, evaluation = attributor.calibration, attributor.rates
    own, null = calibration.own_scores, dict(calibration.null_scores)
    null |= {_lossy(name): s for name, s in calibration.recompressed_null_scores.items()}
    if attributor.second is not None:
        own = attributor.second.own * calibration.threshold
        null = {n: s * calibration.threshold for n, s in calibration.remade_null.items()}
    rates = {"tpr": evaluation["tpr"], **stated(evaluation)}
    return replace(
        card,
        strata={name: len(scores) for name, scores in null.items()},
        measured={name: _interval(rate) for name, rate in rates.items()},
        held_out={
            name: (rate["count"], rate.get("origins", rate["count"]))
            for name, rate in rates.items()
        },
        own_scores=tuple(own.tolist()),
        null_scores={name: tuple(scores.tolist()) for name, scores in null.items()},
        remade_own=tuple(map(float, attributor.remade_own)),
        remade_null={n: tuple(map(float, r)) for n, r in attributor.remade_null.items()},
        second_witness=attributor.second_witness,
        typical_p=0.0 if attributor.second is None else attributor.second.typical_p,
        lacking=lacking(attributor.evaluation),
        origins={name: calibration.origins_of(_source(name)) for name in null},
    )


def _lossy(stratum: str) -> str:
    return stratum + RECOMPRESSED


def _source(stratum: str) -> str:
    return stratum.removesuffix(RECOMPRESSED)


def _interval(rate: Mapping[str, float]) -> tuple[float, float, float]:
    return rate["value"], rate["low"], rate["high"]
