"""Searches that a fit need not repeat."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.regeneration_parts.kept_searches import kept_searches
from flipad_ops.regeneration.observation import PixelBox
from flipad_ops.regeneration.refinement import Guess, Search
from tests.regeneration.small import LATENTS, generator, images


def searched(network: torch.nn.Module, steps: int = 5, placed: bool = False) -> Guess:
    """Of three images, from the same start."""
    search = Search(network, (LATENTS,), -5.0, 5.0, 1.0, 4)
    _, pixels = images(generator(), 3, 1)
    far, none = torch.full((3,), torch.inf), torch.zeros(3, dtype=torch.int64)
    start = Guess(torch.zeros(3, LATENTS), torch.zeros(3, 3), none, far, far)
    return search.refine(start, pixels, PixelBox(pixels, 1 / 255), placed, steps)


def test_what_was_searched_is_read_bit_for_bit(tmp_path: Path) -> None:
    plain = searched(generator())
    with kept_searches(tmp_path) as first:
        made = searched(generator())
    with kept_searches(tmp_path) as second:
        read = searched(generator())
    assert (first.searches, second.searches) == (0, 1)
    assert second.cpu_s > 0
    for name in ("latents", "where", "side", "distance", "descent"):
        one, two, three = (getattr(each, name) for each in (plain, made, read))
        assert torch.equal(one, two)
        assert torch.equal(two, three)


def test_whatever_decides_makes_it_another(tmp_path: Path) -> None:
    with kept_searches(tmp_path) as spared:
        searched(generator())
        searched(generator(), steps=6)
        searched(generator(), placed=True)
        searched(generator(seed=3))
    assert spared.searches == 0
    assert len(list(tmp_path.glob("*.safetensors"))) == 4


def test_outside_searches_are_as_they_were(tmp_path: Path) -> None:
    before = Search.refine
    with kept_searches(tmp_path):
        assert Search.refine is not before
    assert Search.refine is before
