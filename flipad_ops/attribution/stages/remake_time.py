"""How long a fit of the second witness takes, and with how many images it is done in time."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from flipad_ops.attribution.stages.fit_tail import OWN as TAIL_OWN
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.two_witnesses import at_once, has_rich_latents
from flipad_ops.generators import SplitGenerator
from flipad_ops.regeneration.laps import LAPS
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings

#: Calibration images are not made fewer than these (own each way, of each foreign source).
LEAST_OWN, LEAST_FOREIGN = 60, 24


def in_time(plan: Plan) -> tuple[RegenerationSettings, str] | str:
    """Settings of a fit that takes no longer than is allowed.

    Calibration images are halved until the fit would be done in time. By halves, so that two runs
    on machines about as fast fit alike.

    Returns
    -------
    tuple of RegenerationSettings and str, or str
        Settings, and what they leave out, a sentence ("": nothing); or, where fewer images would
        not help, why there is no second witness, a sentence.
    """
    chosen, step = plan.settings.regeneration, step_seconds(plan)
    asked = minutes = _minutes(plan, chosen, step)
    fewer = chosen
    while minutes > chosen.minutes:
        halved = replace(
            fewer,
            own=max(min(LEAST_OWN, fewer.own), fewer.own // 2),
            foreign=max(min(LEAST_FOREIGN, fewer.foreign), fewer.foreign // 2),
        )
        if halved == fewer:
            return (
                f"The second witness is left out: fitting it would take about {minutes:.0f} "
                f"minutes on {plan.device}{_with(fewer) if fewer != chosen else ''}, and "
                f"{chosen.minutes} are allowed (settings: regeneration, minutes)."
            )
        fewer, minutes = halved, _minutes(plan, halved, step)
    if fewer == chosen:
        return chosen, ""
    return fewer, (
        f"The second witness was fitted{_with(fewer)}: with {chosen.own} and {chosen.foreign} it "
        f"would have taken about {asked:.0f} minutes on {plan.device}, and {chosen.minutes} are "
        "allowed (settings: regeneration, minutes)."
    )


def _with(fewer: RegenerationSettings) -> str:
    return f" with {fewer.own} own images each way and {fewer.foreign} of each foreign source"


def step_seconds(plan: Plan) -> float:
    """Seconds a gradient step of a search takes for one image, timed here; 0 without gradients."""
    generator = plan.generator
    if generator.why_not_differentiable:
        return 0.0
    count = at_once(generator, plan.settings.regeneration.batch)
    latents = generator.latent.sample(generator.latent.at_most(count), 0).to(plan.device)
    clock = 0.0
    for _ in range(2):  # the first warms up
        clock = time.perf_counter()
        at = latents.clone().requires_grad_(True)
        torch.autograd.grad(generator.pixels(at).sum(), at)
        clock = time.perf_counter() - clock
    return clock / len(latents)


def _minutes(plan: Plan, chosen: RegenerationSettings, step: float) -> float:
    return 1.3 * steps_of(plan.generator, chosen, len(plan.splits)) * step / 60


def steps_of(generator: SplitGenerator, chosen: RegenerationSettings, sources: int) -> int:
    """Gradient steps of a fit with so many foreign sources, roughly, of one image each."""
    # Own images go all the way; of the others in null and test, most are dropped early.
    images = 4 * chosen.own + 2 * chosen.foreign * (1 + sources) + TAIL_OWN
    steps = images * (chosen.first_steps + chosen.steps)
    if has_rich_latents(generator):  # of the half that are as made some go on, see `laps`
        steps += images // 4 * LAPS * chosen.steps
    # A guess tries every class each way; a look is a third of a step.
    steps += images * 2 * sum(map(len, generator.latent.choices)) // 3
    trained = generator.encode is None
    return steps + trained * chosen.encoder_steps * chosen.encoder_batch
