"""Last stage: the attributor and what a reviewer of its fit wants to see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.inversion_runs import Inversions
from flipad_ops.attribution.judgement import Calibration
from flipad_ops.attribution.relatives import not_among
from flipad_ops.attribution.stages.held_out import Evaluated, held_out_foreign
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.remake import SecondFitted, why_not_good
from flipad_ops.attribution.stages.train import Trained
from flipad_ops.generators import SplitGenerator

#: Test images shown of each stratum.
EXAMPLES = 8


def pack(
    plan: Plan,
    run: Inversions,
    trained: Trained,
    calibration: Calibration,
    evaluated: Evaluated,
    second: SecondFitted | str,
    *,
    equivalence_class: tuple[str, ...],
    timings: dict[str, float],
) -> FitResult:
    """Put together what the other stages made."""
    generator, test = plan.generator, plan.own.test
    figures = evaluated.figures
    unheard = second if isinstance(second, str) else why_not_good(second.figures, figures)
    heard = None if unheard or isinstance(second, str) else second
    if unheard:
        figures = {**figures, "no_second_witness": unheard}
    if heard is not None:
        calibration = replace(calibration, remade_null=heard.null, joint_tail=heard.tail)
        # What the first says alone stays true of a scan whose generator is not at hand.
        figures = {
            **heard.figures["as made"],
            "altered": heard.figures["altered"],
            "flat": heard.figures["flat"],
            "conventions": heard.figures["conventions"],
            "fewer": heard.figures["fewer"],
            "first_witness": figures,
        }
    about = {"not_among": not_among(plan.splits), "relatives": plan.relatives.told}
    attributor = Attributor(
        layer=generator.layer,
        output_map=generator.output_map,
        anchor=plan.anchor,
        space=generator.space,
        features=trained.features,
        detector=trained.detector,
        calibration=calibration,
        settings=plan.settings,
        generator=describe(generator, equivalence_class),
        evaluation={**figures, **about},
        reference=generator.space.reference(test[0]),
        device=plan.device,
        inverter=run.inverter,
        regeneration=None if heard is None else heard.model,
    )
    if heard is not None:
        attributor.bring(generator)
    foreign = held_out_foreign(plan)
    sets, wrong = {"own": test, **foreign}, {}
    for name, scores in evaluated.scores.items():
        # What the first witness gets wrong is what a reviewer wants to see.
        missed = (scores <= calibration.threshold) ^ (name == "own")
        word = "missed" if name == "own" else "attributed"
        wrong[f"{name}, {word}"] = sets[name][missed.nonzero()[0][:EXAMPLES]]
    examples = {name: images[:EXAMPLES] for name, images in sets.items()}
    return FitResult(
        attributor=attributor,
        losses=trained.losses,
        test_scores=evaluated.scores,
        examples={**examples, **{name: images for name, images in wrong.items() if len(images)}},
        held_out_foreign=foreign,
        mean_activations=trained.means,
        timings=timings,
        unconverged=run.share_unconverged,
        grouped=all(split.grouped for split in plan.splits.values()),
    )


def describe(generator: SplitGenerator, equivalence_class: tuple[str, ...]) -> dict[str, Any]:
    """What an attributor records about the generator it was fitted for."""
    held = generator.metadata.get("held_sha256") or ()
    # As the registry states them: hex digits of SHA-256, told of by images that name a checkpoint.
    known = [str(each) for each in (generator.metadata.get("checkpoint_sha256"), *held) if each]
    return {
        **({"checkpoints": known} if known else {}),
        "name": generator.name,
        "version": generator.version,
        "final_layer_sha256": generator.layer.sha256(),
        "decoder_sha256": generator.decoder_sha256,
        "equivalence_class": list(equivalence_class),
        "latent": generator.latent.to_dict(),
    }
