"""Self-made relatives for the test of a fit that was given none.

A fit that saw photographs alone states no rate for what is hardest, another version of the same
model. Three kinds stand in for one, each held out for the test; training sees none of them:

- copies of the generator *with all weights disturbed*, as a fine-tune moves them;
- its own activations behind *another last layer*;
- the samples of a *student* (`flipad_ops.attribution.students`): another network, like content;
  in fits that train students at all, since it takes as long as theirs.

A fine-tune that moves the weights by less than 4% cannot be told apart (docs/quality.md); the
disturbances begin well above that. Real relatives may come nearer than all three: a rate for
self-made ones is no bound for theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import SELF_MADE, ForeignSplit
from flipad_ops.attribution.own_samples import OwnSamples
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import RELATIVE, near_misses
from flipad_ops.attribution.students import can_have_students, student_samples
from flipad_ops.generators import SplitGenerator

#: Images at most; an interval of 0 of 120 ends at 3%.
MOST = 120
#: Copies with disturbed weights, each with a disturbance of its own.
COPIES = 4


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
    made = {"with all weights disturbed": disturbed_copies(generator, each, settings)}
    seed = stream(settings.seed, "relatives: last layer")
    made["with another last layer"] = near_misses(generator, each, seed, RELATIVE)
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
    images = torch.cat(made)
    finite = images.flatten(1).isfinite().all(dim=1)
    return images[finite]


def _disturbed(module: nn.Module, seed: int) -> nn.Module:
    """The module with noise on each weight, in units of its layer's spread (`RELATIVE`)."""
    source = torch.Generator().manual_seed(seed)
    low, high = RELATIVE
    size = low + (high - low) * float(torch.rand((), generator=source))
    for weight in module.parameters():
        if weight.dim() > 1 and weight.is_floating_point():
            noise = torch.randn(weight.shape, generator=source)
            weight.add_(size * weight.std() * noise.to(weight))
    return module.eval()
