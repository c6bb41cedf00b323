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
    disturbed_copies,
    fine_tunes,
    held_out_relatives,
    not_among,
)
from flipad_ops.attribution.training_set import training_set
from flipad_ops.generators import SplitGenerator, quantise, split_generator
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from tests.conftest import noise_images
from tests.generators.toys import METADATA, toy

NONE = torch.empty(0, 3, 16, 16)


def a_split(**kinds: bool) -> ForeignSplit:
    return ForeignSplit(noise_images(8, 0), NONE, NONE, grouped=True, **kinds)


def test_three_kinds_of_which_training_sees_none(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    own = draw_own(toy_split, toy_settings)
    splits = {"noise": a_split()}
    found = held_out_relatives(toy_split, own, splits, toy_settings)
    assert found.images.shape == (24, 3, 16, 16)
    assert torch.equal(found.images, quantise(found.images))
    for words in ("8 of fine-tunes", "8 with another last layer", "8 of a student"):
        assert words in found.told
    again = held_out_relatives(toy_split, own, splits, toy_settings)
    assert torch.equal(found.images, again.images)
    trained = training_set(toy_split, own.training, splits, toy_settings).inverted
    for image in found.images:
        assert float((trained - image).abs().flatten(1).mean(dim=1).min()) > 0
    others = held_out_relatives(toy_split, own, splits, replace(toy_settings, seed=1))
    assert not any(torch.equal(a, b) for a, b in zip(found.images, others.images, strict=True))


@pytest.mark.parametrize("kind", ["fine-tunes", "disturbed"])
def test_copies_differ_from_their_original_and_leave_it_alone(
    toy_split: SplitGenerator, toy_settings: FitSettings, kind: str
) -> None:
    assert isinstance(toy_split.forward, nn.Module)
    before = {name: value.clone() for name, value in toy_split.forward.state_dict().items()}
    own = toy_split.sample(200, seed=3)
    if kind == "fine-tunes":
        made = fine_tunes(toy_split, own, 10, toy_settings)
    else:
        made = disturbed_copies(toy_split, 10, toy_settings)
    assert made.shape == (10, 3, 16, 16)
    assert not made.requires_grad
    for name, value in toy_split.forward.state_dict().items():
        assert torch.equal(before[name], value)
    assert all(each.requires_grad for each in toy_split.forward.parameters())
    nearest = [float((own - image).abs().flatten(1).mean(dim=1).min()) for image in made]
    assert min(nearest) > 0


def test_fine_tunes_move_the_weights_as_far_as_stated(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    tuned = _tuned(toy_split, toy_split.sample(60, seed=1), 16, seed=0)
    assert isinstance(tuned.forward, nn.Module)
    assert isinstance(toy_split.forward, nn.Module)
    after, before = (
        torch.cat([each.detach().flatten() for each in module.parameters() if each.dim() > 1])
        for module in (tuned.forward, toy_split.forward)
    )
    moved = float((after - before).norm() / before.norm())
    assert MOVED < moved < 2 * MOVED


class WithoutGradient(nn.Sequential):
    @torch.no_grad()
    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents)  # type: ignore[no-any-return]


def test_where_no_gradient_reaches_the_weights_they_are_disturbed(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    assert isinstance(toy_split.forward, nn.Sequential)
    blocked = split_generator(WithoutGradient(*toy_split.forward), {"latent": {"shape": [4, 1, 1]}})
    found = held_out_relatives(blocked, draw_own(blocked, toy_settings), {}, toy_settings)
    assert "8 with all weights disturbed" in found.told
    assert "fine-tunes" not in found.told


class NoCopy(nn.Sequential):
    def __deepcopy__(self, memo: object) -> NoCopy:
        raise TypeError("a handle that cannot be copied")


def test_a_generator_that_cannot_be_copied_has_the_other_kinds(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    def call(latents: Tensor) -> Tensor:
        return toy_split.forward(latents)  # type: ignore[no-any-return]

    assert isinstance(toy_split.forward, nn.Sequential)
    for forward in (call, NoCopy(*toy_split.forward)):
        other = split_generator(forward, {"latent": {"shape": [4, 1, 1]}})
        found = held_out_relatives(other, draw_own(other, toy_settings), {}, toy_settings)
        assert len(found.images) == 16
        assert "weights" not in found.told
        assert "fine-tunes" not in found.told


def test_a_fit_without_students_trains_none_for_the_test(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    settings = replace(toy_settings, students=0)
    found = held_out_relatives(toy_split, draw_own(toy_split, settings), {}, settings)
    assert "student" not in found.told


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
    assert rate["count"] == len(scores) == 24
    assert rate["value"] == np.mean(scores <= calibration.threshold)
    assert SELF_MADE not in evaluation["recompressed"]["strata"]
    assert evaluation["not_among"] == ["no other generator", "no relative"]


def test_both_witnesses_are_tested_on_them(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    quick = RegenerationSettings(encoder_steps=60, first_steps=5, steps=10, own=24, foreign=20)
    settings = replace(toy_settings, regeneration=quick)
    foreign = {"noise": ForeignImages(noise_images(60, seed=1))}
    evaluation = fit_attributor(toy_split, foreign, settings).attributor.evaluation
    if "first_witness" in evaluation:  # it may be too poor to be heard
        assert evaluation["altered"]["strata"][SELF_MADE]["fpr"]["count"] == 10
        assert evaluation["strata"][SELF_MADE]["fpr"]["count"] == 10
        assert SELF_MADE in evaluation["first_witness"]["strata"]
    assert "self-made" in evaluation["relatives"]
