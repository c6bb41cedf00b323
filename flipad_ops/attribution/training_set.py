"""What a detector learns from: own images and foreign ones, as they are and after perturbation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flipad_ops.attribution.augmentation import EVERYTHING, can_perturb, mixture
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.self_made import near_misses, widen
from flipad_ops.attribution.students import can_have_students, student_samples
from flipad_ops.detection import can_view_pixels
from flipad_ops.detection.row_view import MORE
from flipad_ops.generators import SplitGenerator


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images for training, all float32 (n, *sample_shape) in [0, 1].

    Parameters
    ----------
    own, foreign : Tensor
    sources : Tensor, int64, (n foreign,)
        Which foreign images come from one source.
    unrelated : Tensor, bool, (n foreign,)
        Which foreign images come from no relative of the generator.
    given : int
        So many of `foreign`, at its start, were given; the fit made the others itself.
    own_perturbed, foreign_perturbed : Tensor
        Perturbed copies of own and of unrelated images; (0, ...) without immunisation.
    own_rows : Tensor
        Further own samples that are not inverted, for the view of a table's rows; (0, ...) for
        images.
    own_altered, foreign_altered : Tensor
        The same for the view of pixels, altered in every way; no activations are needed of them.
    """

    own: Tensor
    foreign: Tensor
    sources: Tensor
    unrelated: Tensor
    given: int
    own_perturbed: Tensor
    foreign_perturbed: Tensor
    own_rows: Tensor
    own_altered: Tensor
    foreign_altered: Tensor

    def __len__(self) -> int:
        """How many images are to be inverted."""
        parts = (self.own, self.foreign, self.own_perturbed, self.foreign_perturbed)
        return sum(len(part) for part in parts)


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
    parts = [split.train for split in splits.values()]
    related = [split.sibling for split in splits.values()]
    given = torch.cat(parts)
    seed = settings.seed * 1000
    if len(generator.sample_shape) == 3:
        count = len(own)
        parts.append(widen(given, round(settings.widened * count), seed + 3, generator.grid))
        if generator.layer.inverts:
            parts.append(near_misses(generator, round(settings.near_misses * count), seed + 4))
        if settings.students and not any(related) and can_have_students(generator):
            parts += _students(generator, own, settings, report)
    foreign = torch.cat(parts)
    # Widened images are the only ones made that stem from unrelated ones.
    related += [number > 0 for number in range(len(parts) - len(related))]
    sizes = torch.tensor([len(part) for part in parts])
    sources = torch.repeat_interleave(torch.arange(len(parts)), sizes)
    unrelated = ~torch.repeat_interleave(torch.tensor(related), sizes)
    copies = round(settings.immunised * len(own)) if can_perturb(generator.sample_shape) else 0
    visible = settings.fusion and can_view_pixels(generator.sample_shape)
    altered = round(settings.recompressed * len(own)) if visible else 0
    rows = unrelated.nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + 7))]
    seen = foreign[rows]
    if altered and len(seen):  # cheap here, as nothing of it is inverted
        seen = torch.cat([seen, widen(seen, len(own) // 2, seed + 11)])
    return TrainingSet(
        own=own,
        foreign=foreign,
        sources=sources,
        unrelated=unrelated,
        given=len(given),
        own_perturbed=mixture(_copies(own, copies), seed + 5),
        foreign_perturbed=mixture(_copies(foreign[rows], copies), seed + 6),
        own_rows=_rows(generator, own, settings),
        own_altered=mixture(_copies(own, altered if len(rows) else 0), seed + 9, EVERYTHING),
        foreign_altered=mixture(_copies(seen, altered), seed + 10, EVERYTHING),
    )


def _rows(generator: SplitGenerator, own: Tensor, settings: FitSettings) -> Tensor:
    """More rows of a table than are inverted, where the generator can make as many as it likes."""
    if len(generator.sample_shape) != 1 or not settings.fusion:
        return own[:0]
    if generator.latent.recorded is not None:
        return own
    return generator.sample(MORE * len(own), settings.seed * 1000 + 14)


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
                seed=settings.seed * 1000 + 100 + number,
                report=lambda step, _, done=done: report(done + step, total),  # type: ignore[misc]
            )
        )
    return made
