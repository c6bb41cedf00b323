"""What a detector learns from: own images and foreign ones, as they are and after perturbation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from flipad_ops.attribution.augmentation import EVERYTHING, LOSSY, mixture
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.attribution.seeds import stream
from flipad_ops.attribution.self_made import near_misses, recompressed, widen
from flipad_ops.attribution.students import can_have_students, student_samples
from flipad_ops.detection import TrainingData, can_view_pixels
from flipad_ops.detection.row_view import MORE
from flipad_ops.generators import SplitGenerator


def training_set(
    generator: SplitGenerator,
    own: Tensor,
    splits: Mapping[str, ForeignSplit],
    settings: FitSettings,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> TrainingData:
    """Own training samples, given foreign ones, and what the settings say to make besides.

    Students are made only where no sibling was given. Tables get nothing made.
    """
    seed, shape = settings.seed, generator.sample_shape
    foreign, sources, unrelated, given = _foreign(generator, own, splits, settings, report)
    order = torch.Generator().manual_seed(stream(seed, "foreign order"))
    strange = foreign[unrelated]
    strange = strange[torch.randperm(len(strange), generator=order)]
    augment = settings.fusion and can_view_pixels(shape) and len(strange) > 0
    own_augmented, foreign_augmented = _augmented(own, strange, settings if augment else None)
    own_lossy = own_as_found = own
    if len(own_augmented):
        own_lossy = mixture(own, stream(seed, "own lossy"), LOSSY)
    else:  # Leaks come as JPEG files too, whose spectrum differs.
        files = recompressed(own, stream(seed, "own recompressed"))
        own_as_found = torch.cat([own, files])
    return TrainingData(
        inverted=torch.cat([own, foreign]),
        counts=(len(own), len(foreign)),
        given=given,
        sources=sources,
        own_as_found=own_as_found,
        own_lossy=own_lossy,
        own_augmented=own_augmented,
        foreign_augmented=foreign_augmented,
        own_rows=_rows(generator, own, settings),
    )


def _augmented(
    own: Tensor, unrelated: Tensor, settings: FitSettings | None
) -> tuple[Tensor, Tensor]:
    """Copies of both, altered in every way; none without settings."""
    count = 0 if settings is None else round(settings.recompressed * len(own))
    if settings is None or not count:
        return own[:0], own[:0]
    seed = settings.seed
    # Widened ones are cheap here, as nothing of them is inverted.
    wider, _ = widen(unrelated, len(own) // 2, stream(seed, "foreign widened for pixels"))
    both = torch.cat([unrelated, wider])
    return (
        mixture(_copies(own, count), stream(seed, "own augmented"), EVERYTHING),
        mixture(_copies(both, count), stream(seed, "foreign augmented"), EVERYTHING),
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
    related = [_all(split.train, split.sibling) for split in splits.values()]
    given, seed, count = torch.cat(parts), settings.seed, len(own)
    if len(generator.sample_shape) == 3:
        wider, origins = widen(
            given, round(settings.widened * count), stream(seed, "foreign widened"), generator.grid
        )
        parts.append(wider)
        # A sibling's image stays a sibling's when it is zoomed into.
        related.append(torch.cat(related)[origins])
        made = []
        if generator.layer.inverts:
            misses = round(settings.near_misses * count)
            made.append(near_misses(generator, misses, stream(seed, "near misses")))
        siblings = any(split.sibling for split in splits.values())
        if settings.students and not siblings and can_have_students(generator):
            made += _students(generator, own, settings, report)
        parts += made
        related += [_all(images, True) for images in made]
    sizes = torch.tensor([len(part) for part in parts])
    sources = torch.repeat_interleave(torch.arange(len(parts)), sizes)
    return torch.cat(parts), sources, ~torch.cat(related), len(given)


def _all(images: Tensor, value: bool) -> Tensor:
    return torch.full((len(images),), value)


def near_source(splits: Mapping[str, ForeignSplit]) -> int:
    """Among the sources of a training set the number of its near misses: given ones come first,
    then widened ones."""
    return len(splits) + 1


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
