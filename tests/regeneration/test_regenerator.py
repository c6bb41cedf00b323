"""The search: finds what was made, in any company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.attribution.augmentation import IN_PLACE, MOVED, mixture
from flipad_ops.regeneration.alterations import place
from flipad_ops.regeneration.regenerator import Regenerator
from flipad_ops.regeneration.witness_fit import calibrate_witness
from flipad_ops.regeneration.witness_model import PLACED, PLAIN, WitnessModel
from tests.regeneration.small import SIDE, generator, images, regenerator


@pytest.fixture(scope="module")
def calibrated() -> Regenerator:
    """Judges fitted to 40 own and 40 images of another seed, each way."""
    found = regenerator(own=80)
    own, foreign = images(generator(), 80, 5)[1], images(generator(7), 80, 6)[1]
    pairs = [(mixture(x[:40], 1, IN_PLACE), mixture(x[40:], 2, MOVED)) for x in (own, foreign)]
    more = images(generator(), 160, 16)[1]
    look = torch.cat([more[:80], mixture(more[80:120], 3, IN_PLACE), mixture(more[120:], 4, MOVED)])
    calibrate_witness(found, pairs[0], pairs[1], look)
    return found


def test_own_images_are_made_again(calibrated: Regenerator) -> None:
    own, foreign = images(generator(), 24, 8)[1], images(generator(7), 24, 9)[1]
    ours, others = calibrated.remake(own), calibrated.remake(foreign)
    assert (ours.excess <= 0).double().mean() > 0.9
    assert (others.excess <= 0).double().mean() < 0.1
    assert float(ours.distance.median()) < -45 < float(others.distance.median())
    assert bool((ours.steps > 0).all())


def test_moved_images_are_found_where_they_are(calibrated: Regenerator) -> None:
    own = images(generator(), 16, 10)[1]
    where = torch.tensor([[0.12, 0.8, -0.5]]).expand(16, 3)
    found = (place(own, where) * 255).round() / 255
    remade = calibrated.remake(found)
    near = remade.excess <= 0
    assert near.double().mean() > 0.7
    assert bool(remade.placed[near].double().mean() > 0.7)
    taps = calibrated.filters(found, remade, near.numpy())
    assert set(taps) == set(np.flatnonzero((near & remade.placed).numpy()))


def test_an_image_is_judged_alike_in_any_company(calibrated: Regenerator) -> None:
    pixels = torch.cat([images(generator(), 5, 11)[1], images(generator(7), 5, 12)[1]])
    together = calibrated.remake(pixels)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    for rows in (order, torch.tensor([7]), torch.tensor([2, 9])):
        alone = calibrated.remake(pixels[rows])
        # Not to the last bit: matrix products are blocked by a row's place in the batch.
        assert torch.allclose(alone.excess, together.excess[rows], atol=0.05)
        assert torch.equal(alone.steps, together.steps[rows])


def test_hopeless_images_get_no_more_than_a_first_look(calibrated: Regenerator) -> None:
    source = torch.Generator().manual_seed(4)
    noise = (torch.rand(6, 1, SIDE, SIDE, generator=source) * 255).round() / 255
    remade = calibrated.remake(noise)
    assert bool((remade.excess > 0).all())
    assert int(remade.steps.max()) <= 2 * calibrated.first_steps


def test_a_stored_model_says_the_same(calibrated: Regenerator) -> None:
    model = calibrated.model
    again = WitnessModel.empty(model.config(), (1, SIDE, SIDE))
    again.load_state_dict(model.state_dict())
    pixels = images(generator(), 3, 13)[1]
    encoder = again.encoder
    assert encoder is not None
    other = Regenerator(calibrated.search, encoder, again, calibrated.step, 30, 60)
    assert torch.equal(other.remake(pixels).excess, calibrated.remake(pixels).excess)


def test_doubtful_images_need_the_other_witness(calibrated: Regenerator) -> None:
    remade = calibrated.remake(images(generator(), 8, 14)[1])
    yes, no = torch.full((8,), 0.5), torch.full((8,), 2.0)
    assert bool((remade.supported(yes) <= remade.supported(no)).all())
    assert torch.equal(remade.supported(no) <= 1, remade.excess <= 0)


def test_without_gradients_the_guess_stands() -> None:
    found = regenerator(own=2)
    blind = Regenerator(found.search, found.encode, found.model, found.step, 0, 0)
    pixels = images(generator(), 3, 15)[1]
    trail = blind.begin(pixels)
    remade = blind.remake(pixels)
    assert int(remade.steps.sum()) == 0
    guesses: list[Tensor] = [trail.guesses[way].distance for way in (PLAIN, PLACED)]
    assert torch.isfinite(torch.stack(guesses)).all()
