"""Latents whose last entries no gradient moves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flipad_ops.generators import LatentSpec, latent
from flipad_ops.generators.conditions import Classes
from flipad_ops.regeneration.observation import PixelBox
from flipad_ops.regeneration.refinement import Guess, Search
from tests.regeneration.small import LATENTS, generator

#: What two classes may be, as a latent holds them.
CLASSES = (Classes((1.0,) * 2), Classes((1.0,) * 4))
SPEC = LatentSpec((LATENTS + 2,), classes=CLASSES)


def by_class(joined: Tensor) -> Tensor:
    """Images of latents that classes move, each in its own direction."""
    moved = joined[:, :LATENTS].clone()
    moved[:, 0] += 4 * joined[:, -2].detach()
    moved[:, 1] += 4 * joined[:, -1].detach()
    made: Tensor = generator()(moved)
    return made


def _search(choices: tuple[Tensor, ...] = SPEC.choices) -> Search:
    return Search(by_class, (LATENTS + 2,), -5.0, 5.0, 1.0, 8, choices)


def _guess(latents: Tensor) -> Guess:
    far, none = torch.full((8,), torch.inf), torch.zeros(8, dtype=torch.int64)
    return Guess(latents, torch.zeros(8, 3), none, far, far)


def test_the_nearest_class_is_taken_whatever_was_guessed() -> None:
    latents = SPEC.sample(8, 0)
    pixels = (by_class(latents) * 255).round() / 255
    observed = PixelBox(pixels, 1 / 255)
    guessed = latents.clone()
    guessed[:, -2:] = torch.tensor([0.0, 0.9])  # between classes, and beyond them
    found = _search().settled(_guess(guessed), pixels, observed, False)
    assert torch.equal(found.latents, latents)
    assert float(found.distance.max()) < 1e-9
    near = found.latents + torch.cat([0.05 * torch.ones(8, LATENTS), torch.zeros(8, 2)], dim=1)
    end = _search().refine(_guess(near), pixels, observed, False, 40)
    assert torch.equal(end.latents[:, -2:], latents[:, -2:])


def test_many_classes_are_tried_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [tuple(known.shape) for known in SPEC.choices] == [(8, 2)]
    monkeypatch.setattr(latent, "TOGETHER", 7)
    assert [tuple(known.shape) for known in SPEC.choices] == [(2, 1), (4, 1)]
    latents = SPEC.sample(8, 0)
    pixels = by_class(latents)
    guessed = latents.clone()
    guessed[:, -2] *= -1
    observed = PixelBox(pixels, 1 / 255)
    found = _search(SPEC.choices).settled(_guess(guessed), pixels, observed, False)
    assert torch.equal(found.latents, latents)


def test_without_choices_a_guess_stands() -> None:
    latents = torch.randn(8, LATENTS + 2, generator=torch.Generator().manual_seed(1))
    pixels = by_class(latents)
    guess, observed = _guess(latents + 0.1), PixelBox(pixels, 1 / 255)
    settled = _search(()).settled(guess, pixels, observed, False)
    assert torch.equal(settled.latents, guess.latents)
    assert torch.equal(
        settled.distance, _search().measured(guess, pixels, observed, False).distance
    )
