"""What is near enough."""

from __future__ import annotations

import dataclasses

import torch

from flipad_ops.regeneration.judge import Judge, Level
from flipad_ops.regeneration.measures import MEASURES, VARIANCE, flat, measures
from flipad_ops.regeneration.observation import PixelBox
from tests.regeneration.small import generator, images

LEVEL = Level(0.05, 0.01, 0.01, 1.0, 0.02)


def _measured(own: bool, count: int = 60) -> torch.Tensor:
    """Own images remade nearly, others by the image of other latents."""
    network = generator()
    latents, found = images(network, count, seed=1)
    off = 0.002 if own else 0.6
    with torch.no_grad():
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
        made = network(latents + off * noise)
    descent = torch.full((count,), 3.0 if own else 0.0)
    return measures(found, made, PixelBox(found, 1 / 255), descent)


def test_own_images_are_told_from_others() -> None:
    judge, own, foreign = Judge(), _measured(True), _measured(False)
    said = judge.fit(own[:40], foreign[:40], LEVEL)
    assert (said <= 0).double().mean() >= 0.95
    assert (judge(own[40:]) <= 0).double().mean() > 0.8
    assert (judge(foreign[40:]) > 0).all()
    assert float(judge.doubtful) <= float(judge.accept)


def test_a_distance_beyond_all_own_ones_is_refused_wherever_it_lies() -> None:
    judge, own = Judge(), _measured(True)
    judge.fit(own, _measured(False), LEVEL)
    far = own[:1].clone()
    far[:, 0] = far[:, 5] + 20  # 20 dB farther than its own blurred copy
    far[:, 1:4] = -200  # whatever the rest says
    assert float(judge(far)) > 0


def test_state_is_all_there_is() -> None:
    judge, own = Judge(), _measured(True)
    judge.fit(own, _measured(False), LEVEL)
    other = Judge(len(judge.supports))
    other.load_state_dict(judge.state_dict())
    assert torch.equal(judge(own), other(own))
    assert own.shape == (60, MEASURES)


def test_flat_images_have_finite_measures() -> None:
    flat = torch.full((2, 3, 16, 16), 0.5)
    assert torch.isfinite(measures(flat, flat, PixelBox(flat, 1 / 255), torch.zeros(2))).all()


def test_an_unfitted_judge_refuses() -> None:
    assert (Judge()(_measured(True)) > 0).all()


def test_few_of_the_others_pass_however_many_own_ones_are_lost() -> None:
    judge, own = Judge(), _measured(True, 120)
    others = _measured(True, 240)[120:]  # nothing tells them from own ones
    judge.fit(own, others, LEVEL)
    assert (judge(_measured(True, 60)) <= 0).double().mean() < 0.2


def test_a_relative_is_refused_that_no_fit_saw() -> None:
    judge, own = Judge(), _measured(True, 120)
    judge.fit(own, _measured(False, 120), LEVEL)
    nearer = own.clone()
    nearer[:, :4] += 15  # dB: between own images and everything foreign
    assert (judge(nearer) > 0).double().mean() > 0.9


def test_how_far_below_nothing_a_distance_lies_says_nothing() -> None:
    judge, own = Judge(), _measured(True, 120)
    nothing = float(10 ** (own[:, 0].max() / 10)) * 2
    judge.fit(own, _measured(False, 120), dataclasses.replace(LEVEL, nothing=nothing))
    nearer = own.clone()
    nearer[:, 0] -= 40
    assert judge.exact(own).all()
    assert not judge.exact(_measured(False)).any()
    assert (judge.beyond(nearer) - judge.beyond(own)).abs().max() < 3.1  # dB: half is nothing
    strict = Judge()
    strict.fit(own, _measured(False, 120), LEVEL)
    assert (strict.beyond(own) - strict.beyond(nearer)).min() > 39.9
    assert not strict.exact(own).any()


def test_slack_finds_more_own_images_and_lets_no_more_of_the_others_pass() -> None:
    loose, strict, foreign = Judge(), Judge(), _measured(False, 120)
    own = _measured(True, 200)
    strict.fit(own[:20], foreign[:60], LEVEL)
    loose.fit(own[:20], foreign[:60], dataclasses.replace(LEVEL, slack=0.5))
    assert float(loose.accept) == float(strict.accept) - 0.5
    assert (loose(own[20:]) <= 0).sum() > (strict(own[20:]) <= 0).sum()
    assert (loose(foreign[60:]) > 0).all()
    others = _measured(True, 240)[120:]  # nothing tells them from own ones
    strict.fit(own[:120], others, LEVEL)
    loose.fit(own[:120], others, dataclasses.replace(LEVEL, slack=0.5))
    assert float(loose.accept) == float(strict.accept)


def test_what_is_made_exactly_needs_no_weighing_unless_others_are_too() -> None:
    judge, own, foreign = Judge(), _measured(True, 120), _measured(False, 120)
    made = own.clone()
    made[:, 0] = -80.0  # dB
    made[:, 1:4] = foreign[:, 1:4]  # whatever the rest says
    judge.fit(own, foreign, LEVEL)
    assert (judge(made) > 0).any()
    judge.fit(own, foreign, dataclasses.replace(LEVEL, made=1e-7))
    assert (judge(made) <= -1).all()
    assert (judge(foreign) > 0).all()
    foreign[0, 0] = -75.0
    judge.fit(own, foreign, dataclasses.replace(LEVEL, made=1e-7))
    assert not torch.isfinite(judge.made)
    assert (judge(made) > 0).any()


def test_what_is_not_there_coarsely_is_not_made_again() -> None:
    own, foreign = _measured(True, 120), _measured(False, 120)
    lost = own.clone()  # in a local minimum: four tenths of the variance are left
    lost[:, :4] = own[:, VARIANCE : VARIANCE + 1] - 4
    half, strict, loose = torch.cat([own[:60], lost[60:]]), Judge(), Judge()
    loose.fit(half, foreign, LEVEL)
    said = strict.fit(half, foreign, dataclasses.replace(LEVEL, coarse=-10.0))
    assert float(loose.limit) > float(strict.limit) + 20  # dB, drawn by what was lost
    assert (said[:60] <= 0).double().mean() > 0.8
    assert (said[60:] >= 6 - 1e-9).all()
    assert (strict(lost) > 0).all()
    assert (strict(own) <= 0).double().mean() > 0.8
    assert torch.equal(strict.near(half), torch.arange(120) < 60)


def test_a_search_that_hardly_makes_any_own_image_again_accepts_none() -> None:
    judge, own = Judge(), _measured(True)
    own[11:, :4] = own[11:, VARIANCE : VARIANCE + 1] - 9
    said = judge.fit(own, _measured(False), dataclasses.replace(LEVEL, coarse=-10.0))
    assert (said > 0).all()
    assert (judge(own) > 0).all()


def test_flat_images_are_known() -> None:
    found = images(generator(), 4, seed=3)[1]
    ramp = (torch.linspace(0.4, 0.41, 16).expand(1, 1, 16, 16) * 255).round() / 255
    assert flat(ramp, PixelBox(ramp, 1 / 255)).all()
    assert not flat(found, PixelBox(found, 1 / 255)).any()
