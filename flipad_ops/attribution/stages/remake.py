"""Stage after the first witness: what the second needs, and its rates on held-out images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.augmentation import FILED, IN_PLACE, MOVED, can_perturb, mixture
from flipad_ops.attribution.conventions import found_rate, written_otherwise
from flipad_ops.attribution.evaluation import evaluate_scores
from flipad_ops.attribution.foreign_images import SELF_MADE, held_out_origins
from flipad_ops.attribution.inversion_runs import Progress
from flipad_ops.attribution.joint_tail import JointTail
from flipad_ops.attribution.own_samples import own_latents
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import RELATIVE, near_misses
from flipad_ops.attribution.stages.fit_tail import fit_tail
from flipad_ops.attribution.stages.plan import Plan
from flipad_ops.attribution.stages.remake_time import in_time
from flipad_ops.attribution.stages.scoring import Scoring
from flipad_ops.attribution.training_set import near_source
from flipad_ops.attribution.two_witnesses import make_regenerator
from flipad_ops.attribution.words_of_rates import ALTERED
from flipad_ops.generators import SplitGenerator
from flipad_ops.regeneration.guessing import Encoder, train_encoder
from flipad_ops.regeneration.witness_fit import calibrate_witness
from flipad_ops.regeneration.witness_model import WitnessModel
from flipad_ops.samples.quantisation import EIGHT_BIT

Ratios = NDArray[np.float64]
#: Own images that the sieve is fitted to, at most.
SIEVED = 2000
#: A second witness that finds fewer own images as made, or takes more of a foreign source, is left
#: out, unless it still tells them apart better than the first alone and finds half.
LEAST_FOUND, MOST_WRONG, HALF = 0.9, 0.15, 0.5


@dataclass(frozen=True, eq=False)
class SecondFitted:
    """A calibrated second witness.

    Parameters
    ----------
    model : WitnessModel
    null : mapping of stratum to (n,) float64
        Ratios of foreign calibration images, as they are and ", altered".
    figures : dict
        Held-out rates, as they are and "altered"; see `evaluate_scores`. "flat": the share of own
        images that have too little detail to be told; "conventions": own ones, see `conventions`;
        "fewer": that it was fitted to fewer images than asked, a sentence, or "".
    tail : JointTail or None
    """

    model: WitnessModel
    null: Mapping[str, Ratios]
    figures: dict[str, Any]
    tail: JointTail | None = None


def why_none(generator: SplitGenerator) -> str:
    """Why there can be no second witness, a sentence; "" if there can be one."""
    if len(generator.sample_shape) != 3:
        return "A second witness is not applicable: these samples are no images."
    if not generator.layer.inverts:
        return "There is no second witness: samples alone cannot be made again."
    if not can_perturb(generator.sample_shape) or generator.grid != EIGHT_BIT:
        return "There is no second witness: it is for grey and colour images of 8 bits."
    if generator.encode is None and generator.why_not_differentiable:
        return f"There is no second witness: {generator.why_not_differentiable}"
    return ""


def why_not_good(figures: Mapping[str, Any], alone: Mapping[str, Any]) -> str:
    """Why a fitted second witness is not to be heard, a sentence; "" if it is.

    One that was fitted to too little must not overrule a good first. A first that takes most of
    what is foreign is not good.

    Parameters
    ----------
    figures : mapping
        `SecondFitted.figures`.
    alone : mapping
        The first witness's, see `evaluate_scores`.
    """
    found, worst = _rates(figures["as made"])
    if found >= LEAST_FOUND * (1 - figures["flat"]) and worst <= MOST_WRONG:
        return ""
    found_alone, worst_alone = _rates(alone)
    if found >= HALF and found - worst > found_alone - worst_alone:  # Youden's index
        return ""
    return (
        f"The second witness is left out: held out it finds {found:.0%} of own images and takes up "
        f"to {worst:.0%} of foreign ones; more regeneration steps and images (settings) may help."
    )


def _rates(figures: Mapping[str, Any]) -> tuple[float, float]:
    """The share of own images found, and the largest of a given source attributed."""
    given = [s["fpr"]["value"] for name, s in figures["strata"].items() if name != SELF_MADE]
    return figures["tpr"]["value"], max(given, default=0.0)


def fit_second(
    plan: Plan, scoring: Scoring, strange: Tensor, sources: Tensor, threshold: float
) -> SecondFitted | str:
    """Train, calibrate and evaluate; where there is to be no second witness, why, a sentence.

    Parameters
    ----------
    scoring : Scoring
        The first witness, calibrated to `threshold`.
    strange : Tensor, float32, (n, *sample_shape) in [0, 1]
        Foreign training images, given and made by the fit.
    sources : Tensor, int64, (n,)
        What each stems from.
    """
    generator, progress = plan.generator, scoring.run.progress
    if not plan.settings.regeneration.wanted or why_none(generator):
        return why_none(generator)
    scoring.run.begin("remake", 0)  # a few inversions beside the searches, which are reported
    timely = in_time(plan)
    if isinstance(timely, str):
        return timely
    chosen, fewer = timely
    plan = replace(plan, settings=replace(plan.settings, regeneration=chosen))
    encoder = None if generator.encode is not None else _encoder(plan, progress)
    own, seed = plan.own.calibration[: 2 * chosen.own], plan.settings.seed
    half = len(own) // 2
    own = own[: 2 * half]
    model = WitnessModel(encoder, len(own), generator.sample_shape)
    known = _training_latents(plan) if generator.latent.recorded is not None else None
    model.latents.copy_(torch.tensor(generator.latent.span(known)))
    regenerator = make_regenerator(generator, model, chosen)
    others = _others(plan, strange, sources, half, regenerator.rich)

    def found(images: Tensor) -> tuple[Tensor, Tensor]:
        # Own and foreign ones of the same alterations.
        plain, other = images[:half], images[half:]
        if not regenerator.rich:
            plain = mixture(plain, stream(seed, "witness in place"), IN_PLACE)
        moved = FILED if regenerator.rich else MOVED
        other = mixture(other, stream(seed, "witness moved"), moved)
        return plain.to(plan.device), other.to(plan.device)

    look = _sieved(plan, regenerator.rich)
    calibrate_witness(regenerator, found(own), found(others), look)

    def both(images: Tensor) -> Ratios:
        if not len(images):
            return np.zeros(0)
        # As made: among lossy files the first supports nothing, see `two_witnesses`.
        first = torch.from_numpy(scoring.score(images, True) / threshold)
        return regenerator.remake(images.to(plan.device)).supported(first).cpu().numpy()

    null: dict[str, Ratios] = {}
    for number, (name, split) in enumerate(plan.splits.items()):
        progress("remake", number, len(plan.splits))
        images = split.calibration[: chosen.foreign]
        null[name] = both(images)
        null[name + ALTERED] = both(altered(images, stream(seed, "witness null")))
    tail = fit_tail(plan, scoring, regenerator)
    figures = _figures(plan, both, regenerator.flat)
    return SecondFitted(model, null, {**figures, "fewer": fewer}, tail)


def _others(plan: Plan, strange: Tensor, sources: Tensor, half: int, rich: bool) -> Tensor:
    """Images that are not to pass, `half` each way; of rich latents half of those out of files are
    relatives, which come nearest there. As made they come too near to be told from by examples."""
    # Near misses are own images but for the last layer, too near for latents that are few.
    far, seed = sources != near_source(plan.splits), plan.settings.seed
    kin = half // 2 if rich else 0
    given = evenly(strange[far], sources[far], 2 * half - kin, stream(seed, "witness foreign"))
    relatives = near_misses(plan.generator, kin, stream(seed, "witness relatives"), RELATIVE)
    draw = torch.Generator().manual_seed(stream(seed, "witness order"))
    filed = torch.cat([given[half:], relatives.to(given.device)])
    return torch.cat([given[:half], filed[torch.randperm(half, generator=draw)]])


def evenly(images: Tensor, sources: Tensor, count: int, seed: int) -> Tensor:
    """`count` images, every source in turn, drawn at random; some twice where there are fewer."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(images), generator=draw)
    waiting = [rows[sources[rows] == source].tolist() for source in torch.unique(sources)]
    turn = [rows[n] for n in range(max(map(len, waiting))) for rows in waiting if n < len(rows)]
    return images[torch.tensor(turn)[torch.arange(count) % len(turn)]]


def _sieved(plan: Plan, rich: bool) -> Tensor:
    """Own training images, a third of them as made, on the plan's device."""
    own, seed = plan.own.training[:SIEVED], stream(plan.settings.seed, "witness sieve")
    moved = FILED if rich else MOVED
    kinds = [own[::3], mixture(own[1::3], seed, IN_PLACE), mixture(own[2::3], seed, moved)]
    drawn = torch.randperm(len(own), generator=torch.Generator().manual_seed(seed))
    return torch.cat(kinds)[drawn].to(plan.device)


def altered(images: Tensor, seed: int) -> Tensor:
    """Each altered in one way, half of them in place."""
    half = len(images) // 2
    return torch.cat([mixture(images[:half], seed, IN_PLACE), mixture(images[half:], seed, MOVED)])


def _figures(
    plan: Plan, both: Callable[[Tensor], Ratios], flat: Callable[[Tensor], Tensor]
) -> dict[str, Any]:
    count, seed = plan.settings.regeneration.foreign, stream(plan.settings.seed, "witness test")
    sets = {"own": plan.own.test[:count]}
    sets |= {name: split.test[:count] for name, split in plan.splits.items()}
    if len(plan.relatives.images):
        sets[SELF_MADE] = plan.relatives.images[: count // 2]
    figures: dict[str, Any] = {"flat": float(flat(sets["own"]).double().mean())}
    others = written_otherwise(plan.generator, plan.settings, count)
    figures["conventions"] = {name: found_rate(both(x), 1.0) for name, x in others.items()}
    for kind in ("as made", "altered"):
        ratios = {}
        for name, images in sets.items():
            shown = images if kind == "as made" else altered(images, seed)
            ratios[name] = both(shown)
        ours = ratios.pop("own")
        figures[kind] = evaluate_scores(ours, ratios, 1.0, held_out_origins(plan.splits))
    return figures


def _encoder(plan: Plan, progress: Progress) -> Encoder:
    generator, chosen = plan.generator, plan.settings.regeneration
    seed, latent = stream(plan.settings.seed, "encoder"), generator.latent
    kept = None if latent.recorded is None else _training_latents(plan)

    def draw(count: int, step: int) -> Tensor:
        if kept is None:
            return latent.sample(count, (seed + step + 1) % 2**32)
        source = torch.Generator().manual_seed((seed + step + 1) % 2**32)
        return kept[torch.randint(len(kept), (count,), generator=source)]

    return train_encoder(
        generator.pixels,
        draw,
        generator.sample_shape,
        steps=chosen.encoder_steps,
        batch=chosen.encoder_batch,
        seed=seed,
        device=plan.device,
        progress=lambda *done: progress("encoder", *done),
    )


def _training_latents(plan: Plan) -> Tensor:
    """Recorded latents of own training samples, none of those held out."""
    return own_latents(plan.generator, plan.settings)[: plan.settings.own_train]
