"""What a detector learns from: own images and foreign ones, as they are and after perturbation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from flipad_ops.attribution.augmentation import EVERYTHING, can_perturb, mixture
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import near_misses, widen
from flipad_ops.attribution.students import can_have_students, student_samples
from flipad_ops.detection import Recovered, can_view_pixels
from flipad_ops.detection.row_view import MORE
from flipad_ops.generators import SplitGenerator


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images for training, all float32 (n, *sample_shape) in [0, 1].

    Parameters
    ----------
    inverted : Tensor
        Own images, foreign ones, altered copies of own and of unrelated images (none without
        immunisation), one behind the other.
    counts : tuple of int
        How many there are of each.
    sources : Tensor, int64, (n foreign,)
        Which foreign images come from one source.
    unrelated : Tensor, bool, (n foreign,)
        Which foreign images come from no relative of the generator.
    given : int
        So many foreign images, the first, were given; the fit made the others itself.
    own_rows : Tensor
        Further own samples that are not inverted, for the view of a table's rows; (0, ...) for
        images.
    own_augmented, foreign_augmented : Tensor
        Copies altered in every way, for the view of pixels; no activations are needed of them.
    """

    inverted: Tensor
    counts: tuple[int, int, int, int]
    sources: Tensor
    unrelated: Tensor
    given: int
    own_rows: Tensor
    own_augmented: Tensor
    foreign_augmented: Tensor

    @property
    def own(self) -> Tensor:
        """Own images as made."""
        return self.inverted[: self.counts[0]]

    def split(self, recovered: Recovered) -> list[Recovered]:
        """What was recovered of `inverted`, by its four kinds."""
        ends = list(accumulate(self.counts))
        pairs = zip([0, *ends], ends, strict=False)
        return [recovered.select(slice(start, end)) for start, end in pairs]


def training_set(
    generator: SplitGenerator,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> TrainingSet:
    """Own training samples, given foreign ones, and what the settings say to make besides.

    Students are made only where no sibling was given. Tables get nothing made.
    """
    seed = settings.seed
    foreign, sources, unrelated, given = _foreign(generator, own, splits, settings, report)
    copies = round(settings.immunised * len(own)) if can_perturb(generator.sample_shape) else 0
    visible = settings.fusion and can_view_pixels(generator.sample_shape)
    augmented = round(settings.recompressed * len(own)) if visible else 0
    rows = unrelated.nonzero()[:, 0]
    order = torch.Generator().manual_seed(stream(seed, "foreign order"))
    strangers = foreign[rows[torch.randperm(len(rows), generator=order)]]
    more = strangers
    if augmented and len(more):  # cheap here, as nothing of it is inverted
        wider = widen(more, len(own) // 2, stream(seed, "foreign widened for pixels"))
        more = torch.cat([more, wider])
    inverted = [
        own,
        foreign,
        mixture(_copies(own, copies), stream(seed, "own altered")),
        mixture(_copies(strangers, copies), stream(seed, "foreign altered")),
    ]
    mine = _copies(own, augmented if len(rows) else 0)
    return TrainingSet(
        inverted=torch.cat(inverted),
        counts=(len(own), len(foreign), len(inverted[2]), len(inverted[3])),
        sources=sources,
        unrelated=unrelated,
        given=given,
        own_rows=_rows(generator, own, settings),
        own_augmented=mixture(mine, stream(seed, "own augmented"), EVERYTHING),
        foreign_augmented=mixture(
            _copies(more, augmented), stream(seed, "foreign augmented"), EVERYTHING
        ),
    )


def _foreign(
    generator: SplitGenerator,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    report: Callable[[int, int], None],
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Foreign images, their sources, which are unrelated, and how many were given."""
    parts = [split.train for split in splits.values()]
    related = [split.sibling for split in splits.values()]
    given, seed, count = torch.cat(parts), settings.seed, len(own)
    if len(generator.sample_shape) == 3:
        wider = round(settings.widened * count)
        parts.append(widen(given, wider, stream(seed, "foreign widened"), generator.grid))
        if generator.layer.inverts:
            misses = round(settings.near_misses * count)
            parts.append(near_misses(generator, misses, stream(seed, "near misses")))
        if settings.students and not any(related) and can_have_students(generator):
            parts += _students(generator, own, settings, report)
    # Widened images are the only ones made that stem from unrelated ones.
    related += [number > 0 for number in range(len(parts) - len(related))]
    sizes = torch.tensor([len(part) for part in parts])
    sources = torch.repeat_interleave(torch.arange(len(parts)), sizes)
    unrelated = ~torch.repeat_interleave(torch.tensor(related), sizes)
    return torch.cat(parts), sources, unrelated, len(given)


def _rows(generator: SplitGenerator, own: Tensor, settings: FitSettings) -> Tensor:
    """More rows of a table than are inverted, where the generator can make as many as it likes."""
    if len(generator.sample_shape) != 1 or not settings.fusion:
        return own[:0]
    if generator.latent.recorded is not None:
        return own
    return generator.sample(MORE * len(own), stream(settings.seed, "own rows"))


def _copies(images: Tensor, count: int) -> Tensor:
    """`count` of the images, from the start again where they are too few."""
    return images[torch.arange(count) % len(images)] if len(images) else images


def _students(
    generator: SplitGenerator,
    own: Tensor,
    settings: FitSettings,
    report: Callable[[int, int], None],
) -> list[Tensor]:
    total = settings.students * settings.student_steps
    made = []
    for number in range(settings.students):
        done = number * settings.student_steps
        made.append(
            student_samples(
                generator,
                own,
                max(1, round(0.3 * len(own))),
                steps=settings.student_steps,
                seed=stream(settings.seed, "student", number),
                report=lambda step, _, done=done: report(done + step, total),  # type: ignore[misc]
            )
        )
    return made
