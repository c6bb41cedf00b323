"""The model card: what a reader of the MLflow UI should know without reading code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.judgement import Calibration
from flipad_ops.attribution.words_of_rates import ALTERED, counted, held_out, lacking, rate_said
from flipad_ops.common.version import __version__
from flipad_ops.detection import missed_at_most
from flipad_ops.registry.tags import DESCRIPTION_LENGTH
from flipad_ops.registry.using import usage

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def model_card(
    result: FitResult,
    generator: ModelVersion,
    notes: Mapping[str, Any],
    said: Sequence[str] = (),
) -> str:
    """Markdown for the description of an attributor version.

    Parameters
    ----------
    notes : mapping
        Further rows of the provenance table.
    said : sequence of str
        Paragraphs before the rates.
    """
    attributor = result.attributor
    calibration, settings = attributor.calibration, attributor.settings
    tpr = attributor.evaluation["tpr"]
    where = f"models:/{generator.name}/{generator.version}"
    rows, altered = _rates(attributor), attributor.evaluation.get("altered")
    shared = attributor.generator["equivalence_class"]
    facts = {
        "generator": where,
        "final layer": f"{attributor.layer.kind}, sha256 `{attributor.layer.sha256()[:16]}`",
        "decoder": f"sha256 `{str(attributor.generator['decoder_sha256'])[:16]}`",
        "samples": attributor.space.spell_out(),
        "threshold": f"{calibration.threshold:.6g} ({_missed(calibration, settings.fnr)})",
        "smallest p-value": _smallest(attributor),
        "inversion": attributor.basis
        or f"alpha {settings.inversion.alpha:g}, {settings.inversion.data_term} target, "
        f"relative gap {settings.inversion.tolerance:g}, {result.unconverged:.1%} not converged",
        "seed": settings.seed,
        "code": f"flipad_ops {__version__}",
        **notes,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in facts.items())
    lines = [
        f"**Was this image made by `{where}`?** Encoded images in (column `image`); per image a "
        "score (low means *ours*), a p-value of *not ours* (small means *ours*) "
        "and `attributed` (score at or below the threshold).",
        "",
        *said,
        *usage(generator, attributor.space.fields, attributor.regeneration is not None),
        f"Own images recognised (held out): **{rate_said(tpr)}** of {tpr['count']}.",
        _altered(altered["tpr"]) if altered is not None else "",
        _conventions(attributor.evaluation.get("conventions", {})),
        _flat(attributor.evaluation.get("flat", 0.0)),
        "",
        attributor.second_witness,
        "",
        "| foreign source | wrongly attributed (95% interval) | of | AUC | calibrated with |",
        "|---|---|---|---|---|",
        *rows,
        "",
        lacking(attributor.evaluation),
        "",
        "#### Provenance",
        "",
        "| what | value |",
        "|---|---|",
        table,
        "",
    ]
    if attributor.basis:
        lines += [f"**{attributor.basis}**", ""]
    if len(shared) > 1:
        lines += [f"Shares its final layer with and cannot tell apart: {', '.join(shared)}.", ""]
    if not result.grouped:
        lines += [
            "Some foreign images of one origin may sit in training and test: the rates above may "
            "be optimistic.",
            "",
        ]
    lines += [
        "An attribution is statistical suspicion, not proof; rates hold for sources like those "
        "named here. Small changes hide an image from it, and who has the weights or can query "
        "scores can have a foreign image attributed (docs/adversaries.md)."
    ]
    return "\n".join(lines)


def _rates(attributor: Attributor) -> list[str]:
    """One row a foreign source, and one for its images altered."""
    calibration, evaluation = attributor.calibration, attributor.evaluation
    kinds = [("", evaluation, calibration.null_scores)]
    if "altered" in evaluation:
        kinds.append((ALTERED, evaluation["altered"], calibration.remade_null))
    return [
        f"| {name}{kind} | {rate_said(stratum['fpr'])} | {held_out(stratum['fpr'])} "
        f"| {stratum['auc']:.4f} | {_calibrated(calibration, null, name + kind)} |"
        for kind, figures, null in kinds
        for name, stratum in sorted(figures["strata"].items())
    ]


def _calibrated(calibration: Calibration, null: Mapping[str, Any], stratum: str) -> str:
    if stratum not in null:
        return "none, for the test alone"
    return counted(len(null[stratum]), calibration.origins_of(stratum))


def _altered(tpr: Mapping[str, Any]) -> str:
    return (
        "Out of lossy files, with noise, cropped, moved, blurred or resized: "
        f"**{rate_said(tpr)}** of {tpr['count']}."
    )


def _missed(calibration: Calibration, fnr: float) -> str:
    count = len(calibration.own_scores)
    above = int((calibration.own_scores > calibration.threshold).sum())
    few = "" if (count + 1) * fnr >= 1 else ", which takes more images than these"
    return (
        f"target false negative rate {fnr:g}{few}; by {count} held-out own images, with 95% "
        f"confidence at most {missed_at_most(above, count):.2%} are missed"
    )


def _conventions(rates: Mapping[str, Mapping[str, Any]]) -> str:
    """Own images that were made 8-bit in other ways than by rounding."""
    found = [f"{name} **{rate_said(rate)}** of {rate['count']}" for name, rate in rates.items()]
    return f"Made 8-bit otherwise than by rounding: {', '.join(found)}." if found else ""


def _flat(share: float) -> str:
    if not share:
        return ""
    return f"{share:.1%} of own images are too flat to be told from anyone's: not attributed."


def _smallest(attributor: Attributor) -> str:
    told, second = f"{attributor.p_floor:.4g}", attributor.second
    if second is None or not second.typical_p:
        return told
    return f"{told}; by a model of the tail {second.typical_p:.2g} for the median own image"


def shortened(card: str) -> str:
    """The card as a registry's database takes it; whole lines are left out at its end."""
    if len(card) <= DESCRIPTION_LENGTH:
        return card
    rest = "\n\nThe run's description has the rest."
    return card[: DESCRIPTION_LENGTH - len(rest)].rpartition("\n")[0] + rest
