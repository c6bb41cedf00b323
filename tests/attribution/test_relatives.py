"""Self-made relatives: held out for the test, where no other version of the model was given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import SELF_MADE, ForeignImages, ForeignSplit
from flipad_ops.attribution.own_samples import draw_own
from flipad_ops.attribution.relatives import (
    MOVED,
    _tuned,
    fine_tunes,
    held_out_relatives,
    not_among,
)
from flipad_ops.attribution.training_set import training_set
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from tests.attribution.splits import split_of
from tests.conftest import noise_images
from tests.generators.toys import METADATA, toy

NONE = torch.empty(0, 3, 16, 16)


@pytest.fixture
def longer(toy_settings: FitSettings) -> FitSettings:
    """Long enough for fine-tunes to move."""
    return replace(toy_settings, student_steps=100)


def a_split(**kinds: bool) -> ForeignSplit:
    return split_of(noise_images(8, 0), NONE, NONE, **kinds)


def test_two_kinds_of_which_training_sees_none(
    toy_split: SplitGenerator, longer: FitSettings
) -> None:
    own = draw_own(toy_split, longer)
    splits = {"noise": a_split()}
    found = held_out_relatives(toy_split, own, splits, longer)
    assert found.images.shape == (24, 3, 16, 16)
    assert torch.equal(found.images, quantise(found.images))
    assert "24 images of 2 fine-tunes and a student" in found.told
    again = held_out_relatives(toy_split, own, splits, longer)
    assert torch.equal(found.images, again.images)
    trained = training_set(toy_split, own.training, splits, longer).inverted
    for image in found.images:
        assert float((trained - image).abs().flatten(1).mean(dim=1).min()) > 0
    others = held_out_relatives(toy_split, own, splits, replace(longer, seed=1))
    assert not any(torch.equal(a, b) for a, b in zip(found.images, others.images, strict=True))


def test_fine_tunes_differ_from_their_original_and_leave_it_alone(
    toy_split: SplitGenerator, longer: FitSettings
) -> None:
    assert isinstance(toy_split.forward, nn.Module)
    before = {name: value.clone() for name, value in toy_split.forward.state_dict().items()}
    own = toy_split.sample(200, seed=3)
    first, second = fine_tunes(toy_split, own, 2, 10, longer)
    assert first.shape == (10, 3, 16, 16)
    assert not first.requires_grad
    assert not torch.equal(first, second)
    for name, value in toy_split.forward.state_dict().items():
        assert torch.equal(before[name], value)
    assert all(each.requires_grad for each in toy_split.forward.parameters())
    for made in (first, second):
        nearest = [float((own - image).abs().flatten(1).mean(dim=1).min()) for image in made]
        assert min(nearest) > 0


def test_fine_tunes_move_the_weights_as_far_as_stated(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    tuned, said = _tuned(toy_split, toy_split.sample(60, seed=1), 16, seed=0, most=100)
    assert isinstance(tuned.forward, nn.Module)
    assert isinstance(toy_split.forward, nn.Module)
    after, before = (
        torch.cat([each.detach().flatten() for each in module.parameters() if each.dim() > 1])
        for module in (tuned.forward, toy_split.forward)
    )
    moved = float((after - before).norm() / before.norm())
    assert MOVED < moved < 2 * MOVED
    assert said == pytest.approx(moved)


def test_a_fine_tune_that_hardly_moves_is_no_relative(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    """It is the model itself: a fit that finds its images is not weak."""
    own = draw_own(toy_split, toy_settings)
    assert fine_tunes(toy_split, own.training, 2, 10, replace(toy_settings, student_steps=1)) == []


class WithoutGradient(nn.Sequential):
    @torch.no_grad()
    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents)  # type: ignore[no-any-return]


class NoCopy(nn.Sequential):
    def __deepcopy__(self, memo: object) -> NoCopy:
        raise TypeError("a handle that cannot be copied")


@pytest.mark.parametrize("kind", ["function", "no copy", "no gradient"])
def test_whose_weights_cannot_be_trained_has_a_student_alone(
    toy_split: SplitGenerator, toy_settings: FitSettings, kind: str
) -> None:
    layers = toy_split.forward
    assert isinstance(layers, nn.Sequential)
    forward = {
        "function": lambda latents: layers(latents),
        "no copy": NoCopy(*layers),
        "no gradient": WithoutGradient(*layers),
    }[kind]
    other = split_generator(forward, {"latent": {"shape": [4, 1, 1]}})
    own = draw_own(other, toy_settings)
    found = held_out_relatives(other, own, {}, toy_settings)
    assert "8 images of a student" in found.told
    assert len(found.images) == 8
    alone = held_out_relatives(other, own, {}, replace(toy_settings, students=0))
    assert "none could be made" in alone.told
    assert len(alone.images) == 0


def test_a_fit_without_students_trains_none_for_the_test(
    toy_split: SplitGenerator, longer: FitSettings
) -> None:
    settings = replace(longer, students=0)
    found = held_out_relatives(toy_split, draw_own(toy_split, settings), {}, settings)
    assert "24 images of 1 fine-tune stand in" in found.told


def test_none_where_they_mean_nothing(toy_split: SplitGenerator, toy_settings: FitSettings) -> None:
    own = draw_own(toy_split, toy_settings)
    given = held_out_relatives(toy_split, own, {"2": a_split(sibling=True)}, toy_settings)
    assert (len(given.images), given.told) == (0, "")
    rows = split_generator(nn.Sequential(toy("linear", nn.Sigmoid()), nn.Flatten()), METADATA)
    table = held_out_relatives(rows, draw_own(rows, toy_settings), {}, toy_settings)
    assert len(table.images) == 0
    assert "not applicable" in table.told
    samples = split_generator(
        lambda z: z, {"samples": "images"}, latents=2 * toy_split.sample(124, seed=0) - 1
    )
    alone = held_out_relatives(samples, draw_own(samples, toy_settings), {}, toy_settings)
    assert len(alone.images) == 0
    assert "not applicable" in alone.told


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([{}], ["no other generator", "no relative"]),
        ([{}, {"generated": True}], ["no relative"]),
        ([{"generated": True, "sibling": True}], ["no other generator"]),
        ([{"generated": True}, {"generated": True, "sibling": True}], []),
    ],
)
def test_what_was_not_among_the_foreign_images(
    kinds: list[dict[str, bool]], expected: list[str]
) -> None:
    assert not_among({str(n): a_split(**kind) for n, kind in enumerate(kinds)}) == expected


def test_their_rate_is_a_stratum_of_the_test_alone(toy_fit: FitResult) -> None:
    evaluation, calibration = toy_fit.attributor.evaluation, toy_fit.attributor.calibration
    assert SELF_MADE not in calibration.null_scores
    rate = evaluation["strata"][SELF_MADE]["fpr"]
    scores = toy_fit.test_scores[SELF_MADE]
    assert rate["count"] == len(scores) == 8  # a student's; two steps make no fine-tune
    assert rate["value"] == np.mean(scores <= calibration.threshold)
    assert SELF_MADE not in evaluation["recompressed"]["strata"]
    assert evaluation["not_among"] == ["no other generator", "no relative"]


def test_both_witnesses_are_tested_on_them(toy_split: SplitGenerator, longer: FitSettings) -> None:
    quick = RegenerationSettings(encoder_steps=60, first_steps=5, steps=10, own=24, foreign=20)
    settings = replace(longer, regeneration=quick)
    foreign = {"noise": ForeignImages(noise_images(60, seed=1))}
    evaluation = fit_attributor(toy_split, foreign, settings).attributor.evaluation
    if "first_witness" in evaluation:  # it may be too poor to be heard
        assert evaluation["altered"]["strata"][SELF_MADE]["fpr"]["count"] == 10
        assert evaluation["strata"][SELF_MADE]["fpr"]["count"] == 10
        assert SELF_MADE in evaluation["first_witness"]["strata"]
    assert "self-made" in evaluation["relatives"]
