"""Self-made relatives for the test of a fit that was given none.

A fit that saw photographs alone states no rate for what is hardest, another version of the same
model. Two kinds stand in for one, each held out for the test; training sees none of them:

- *fine-tunes*: copies of the generator trained further on its own samples, until the weights have
  moved by 8%, or for as long as a student is trained;
- the samples of a *student* (`flipad_ops.attribution.students`): another network, like content; in
  fits that train students at all, since it takes as long as theirs.

A fine-tune that moves the last layer's weights by less than some 4% cannot be told apart
(docs/quality.md): those made here lie at twice that. Noise on weights makes no relative: it takes
directions that training does not, in which images are copies of own ones with noise. Real relatives
may come nearer than both kinds: a rate for self-made ones is no bound for theirs.
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
#: One that moved less is no other version but the model itself.
LEAST_MOVED = 0.04
NO_WEIGHTS = (
    "no gradient reaches the generator's weights, training hardly moves them, or a step of it "
    "would take too much"
)
#: Images a step, the fewest that are worth it, and bytes of activations that a step may hold.
BATCH, LEAST_BATCH, BATCH_BYTES = 32, 4, 2**27


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
    copies = TUNED if settings.students else 1
    student = bool(settings.students) and can_have_students(generator)
    each = max(1, min(MOST, len(own.test)) // (copies + student))
    made = fine_tunes(generator, own.training, copies, each, settings)
    kinds = f"{len(made)} fine-tune{'s' if len(made) > 1 else ''}" if made else ""
    if student:
        seed, steps = stream(settings.seed, "relatives: student"), settings.student_steps
        made.append(
            student_samples(generator, own.training, each, steps=steps, seed=seed, report=report)
        )
        kinds = f"{kinds} and a student" if kinds else "a student"
    if not made:
        return Relatives(none, f"No relative was given, and none could be made: {NO_WEIGHTS}.")
    turns = [images[n] for n in range(each) for images in made if n < len(images)]
    return Relatives(
        torch.stack(turns),
        f"No relative was given; {len(turns)} images of {kinds} stand in for one in the test "
        f"({SELF_MADE}), and training saw none of them.",
    )


def not_among(splits: Mapping[str, ForeignSplit]) -> list[str]:
    """What no source of foreign images is, in the words of cards and reports."""
    others = any(split.generated and not split.sibling for split in splits.values())
    siblings = any(split.sibling for split in splits.values())
    return [*([] if others else ["no other generator"]), *([] if siblings else ["no relative"])]


def fine_tunes(
    generator: SplitGenerator, images: Tensor, copies: int, count: int, settings: FitSettings
) -> list[Tensor]:
    """Samples of copies trained against a critic that tells them from the generator's `images`.

    Returns
    -------
    list of Tensor, float32, (count at most, *sample_shape) in [0, 1]
        One a copy that moved; none where no gradient reaches the weights, or a step would take too
        much.
    """
    batch = min(BATCH, BATCH_BYTES // (4 * math.prod(generator.layer.input_shape)))
    batch, count = generator.latent.at_most(batch), generator.latent.at_most(count)
    if not generator.batched or batch < LEAST_BATCH:
        return []
    made = []
    for number in range(copies):
        seed = stream(settings.seed, "relatives: fine-tune", number)
        try:
            tuned, moved = _tuned(generator, images, batch, seed, settings.student_steps)
            if moved < LEAST_MOVED:
                continue
            found = tuned.sample(count, seed)
        except Exception:  # another's code, whose weights nobody may have trained here before
            return []
        made.append(found[found.flatten(1).isfinite().all(dim=1)])
    return made


def _tuned(
    generator: SplitGenerator, images: Tensor, batch: int, seed: int, most: int
) -> tuple[SplitGenerator, float]:
    """One fine-tune of so many steps at most, and by how much of their norm its weights moved;
    raises whatever the generator's code raises."""
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
        critic, moved = discriminator_of(generator.sample_shape).to(generator.device), 0.0

        def draw(step: int) -> tuple[Tensor, Tensor]:
            real = images[torch.randint(len(images), (batch,))].to(generator.device)
            latents = generator.latent.sample(batch, int(torch.randint(2**32, ())))
            fake = to_pixels(tuned, only_tensor(copy(latents.to(generator.device))))
            return 2 * real - 1, 2 * fake - 1

        for done in range(0, min(most, ROUNDS * ROUND), ROUND):
            train_pair(copy, critic, draw, min(ROUND, most - done))
            moved = float((_in_a_row(weights) - before).norm() / before.norm())
            if moved > MOVED:
                break
        for each in weights:
            each.requires_grad_(False)
    return tuned, moved


def _in_a_row(weights: list[nn.Parameter]) -> Tensor:
    """All weights of linear layers in a row; scales of normalisation would outweigh them."""
    return torch.cat([each.detach().flatten() for each in weights if each.dim() > 1])
