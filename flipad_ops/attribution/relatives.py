"""Self-made relatives for the test of a fit that was given none.

A fit that saw photographs alone states no rate for what is hardest, another version of the same
model. Three kinds stand in for one, each held out for the test; training sees none of them:

- *fine-tunes*: copies of the generator trained further on its own samples, until the weights have
  moved by 8%; where no gradient reaches them, or it would take too long, copies *with all weights
  disturbed*;
- its own activations behind *another last layer*;
- the samples of a *student* (`flipad_ops.attribution.students`): another network, like content;
  in fits that train students at all, since it takes as long as theirs.

A fine-tune that moves the last layer's weights by less than some 4% cannot be told apart
(docs/quality.md): those made here lie at twice that. Noise takes directions that training does not,
in which images hardly differ, and needs more. Real relatives may come nearer than all three: a rate
for self-made ones is no bound for theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import SELF_MADE, ForeignSplit
from flipad_ops.attribution.own_samples import OwnSamples
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import near_misses
from flipad_ops.attribution.students import can_have_students, discriminator_of, student_samples
from flipad_ops.generators import SplitGenerator
from flipad_ops.generators.adversarial import train_pair
from flipad_ops.generators.differentiable import to_pixels
from flipad_ops.generators.trace import only_tensor

#: Images at most; an interval of 0 of 120 ends at 3%.
MOST = 120
#: Fine-tunes, one in a fit without students; by how much of their norm weights are to move, in
#: rounds of so many steps and at most so many rounds.
TUNED, MOVED, ROUND, ROUNDS = 2, 0.08, 10, 10
#: Images a step, the fewest that are worth it, and bytes of activations that a step may hold.
BATCH, LEAST_BATCH, BATCH_BYTES = 32, 8, 2**26
#: Copies with disturbed weights, each with a disturbance of its own.
COPIES = 4
#: Noise on weights, in standard deviations of each layer's: with less, images hardly differ.
NOISE = (0.2, 0.6)


@dataclass(frozen=True, eq=False)
class Relatives:
    """What stands in for another version of the model in the test.

    Parameters
    ----------
    images : Tensor, float32, (n, *sample_shape) in [0, 1]
        The kinds in turn, so that the first few hold all of them; none where not applicable.
    told : str
        What they are, or why there are none; a sentence.
    """

    images: Tensor
    told: str


def held_out_relatives(
    generator: SplitGenerator,
    own: OwnSamples,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Relatives:
    """Relatives for the test of this fit, as many as own test samples and `MOST` at most; none
    where a sibling was given, which is better."""
    none = own.images[:0]
    if any(split.sibling for split in splits.values()):
        return Relatives(none, "")
    if not generator.layer.inverts:
        return Relatives(none, "Relatives are not applicable: samples alone make none.")
    if len(generator.sample_shape) != 3:
        return Relatives(none, "Relatives are not applicable: these samples are no images.")
    each = max(1, min(MOST, len(own.test)) // 3)
    made = {"of fine-tunes": fine_tunes(generator, own.training, each, settings)}
    if not len(made["of fine-tunes"]):
        made["with all weights disturbed"] = disturbed_copies(generator, each, settings)
    seed = stream(settings.seed, "relatives: last layer")
    made["with another last layer"] = near_misses(generator, each, seed, NOISE)
    if settings.students and can_have_students(generator):
        made["of a student"] = student_samples(
            generator,
            own.training,
            each,
            steps=settings.student_steps,
            seed=stream(settings.seed, "relatives: student"),
            report=report,
        )
    made = {kind: images for kind, images in made.items() if len(images)}
    turns = [images[n] for n in range(each) for images in made.values() if n < len(images)]
    kinds = ", ".join(f"{len(images)} {kind}" for kind, images in made.items())
    return Relatives(
        torch.stack(turns),
        f"No relative was given; {SELF_MADE} stand in for one in the test, of which training saw "
        f"none: {kinds}.",
    )


def not_among(splits: Mapping[str, ForeignSplit]) -> list[str]:
    """What no source of foreign images is, in the words of cards and reports."""
    others = any(split.generated and not split.sibling for split in splits.values())
    siblings = any(split.sibling for split in splits.values())
    return [*([] if others else ["no other generator"]), *([] if siblings else ["no relative"])]


def fine_tunes(
    generator: SplitGenerator, images: Tensor, count: int, settings: FitSettings
) -> Tensor:
    """Samples of copies trained against a critic that tells them from the generator's `images`.

    Returns
    -------
    Tensor, float32, (count, *sample_shape) in [0, 1]
        None where no gradient reaches the weights, or a step takes too much.
    """
    batch = min(BATCH, BATCH_BYTES // (4 * math.prod(generator.layer.input_shape)))
    batch = generator.latent.at_most(batch)
    if not generator.batched or batch < LEAST_BATCH:
        return images[:0]
    made, copies = [images[:0]], TUNED if settings.students else 1
    for number in range(copies):
        seed = stream(settings.seed, "relatives: fine-tune", number)
        some = generator.latent.at_most(len(range(number, count, copies)))
        if not some:
            continue
        try:
            made.append(_tuned(generator, images, batch, seed).sample(some, seed))
        except Exception:  # another's code, whose weights nobody may have trained here before
            return images[:0]
    return _finite(torch.cat(made))


def _tuned(generator: SplitGenerator, images: Tensor, batch: int, seed: int) -> SplitGenerator:
    """One fine-tune; raises whatever the generator's code raises."""
    copy = deepcopy(generator.forward)
    if not isinstance(copy, nn.Module):
        raise TypeError("It has no weights.")
    tuned = replace(generator, forward=copy)
    # In evaluation mode: an exported program knows no other.
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(seed)
        weights = [each for each in copy.parameters() if each.is_floating_point()]
        before = _in_a_row(weights)
        for each in weights:
            each.requires_grad_(True)
        critic = discriminator_of(generator.sample_shape).to(generator.device)

        def draw(step: int) -> tuple[Tensor, Tensor]:
            real = images[torch.randint(len(images), (batch,))].to(generator.device)
            latents = generator.latent.sample(batch, int(torch.randint(2**32, ())))
            fake = to_pixels(tuned, only_tensor(copy(latents.to(generator.device))))
            return 2 * real - 1, 2 * fake - 1

        for _ in range(ROUNDS):
            train_pair(copy, critic, draw, ROUND)
            after = _in_a_row(weights)
            if float((after - before).norm()) > MOVED * float(before.norm()):
                break
        for each in weights:
            each.requires_grad_(False)
    return tuned


def _in_a_row(weights: list[nn.Parameter]) -> Tensor:
    """All weights of linear layers in a row; scales of normalisation would outweigh them."""
    return torch.cat([each.detach().flatten() for each in weights if each.dim() > 1])


def disturbed_copies(generator: SplitGenerator, count: int, settings: FitSettings) -> Tensor:
    """Samples of copies of the generator whose weights all have noise.

    Returns
    -------
    Tensor, float32, (count, *sample_shape) in [0, 1]
        None where the generator is no torch module, or one that cannot be copied.
    """
    none = torch.empty(0, *generator.sample_shape)
    if not isinstance(generator.forward, nn.Module):
        return none
    made = []
    for number in range(COPIES):
        seed = stream(settings.seed, "relatives: all weights", number)
        some = len(range(number, count, COPIES))
        try:
            with torch.no_grad():
                copy = _disturbed(deepcopy(generator.forward), seed)
                some = generator.latent.at_most(some)
                images = replace(generator, forward=copy).sample(some, seed) if some else none
        except Exception:  # another's code, which nobody may have copied before
            return none
        made.append(images)
    return _finite(torch.cat(made))


def _finite(images: Tensor) -> Tensor:
    return images[images.flatten(1).isfinite().all(dim=1)]


def _disturbed(module: nn.Module, seed: int) -> nn.Module:
    """The module with noise on each weight."""
    source = torch.Generator().manual_seed(seed)
    low, high = NOISE
    size = low + (high - low) * float(torch.rand((), generator=source))
    for weight in module.parameters():
        if weight.dim() > 1 and weight.is_floating_point():
            noise = torch.randn(weight.shape, generator=source)
            weight.add_(size * weight.std() * noise.to(weight))
    return module.eval()
