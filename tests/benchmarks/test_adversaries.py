"""The parts of the adversaries' benchmark, on the toy fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.adversaries import merge, write
from benchmarks.adversary_parts.blackbox import search
from benchmarks.adversary_parts.judge import judge, judge_alone, psnr, record
from benchmarks.adversary_parts.passive import CURVES, autoencoder, changed, through_layer
from benchmarks.adversary_parts.resynthesis import blend, project
from benchmarks.adversary_parts.surrogate import Surrogate, margin
from benchmarks.adversary_parts.unrolled import UnrolledInversion
from benchmarks.adversary_parts.whitebox import attack, attack_as_jpeg, one_level
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fitting import FitResult
from flipad_ops.common.errors import UsageError
from flipad_ops.generators import SplitGenerator
from tests.conftest import noise_images
from tests.generators.toys import dcgan16

#: An image of the toy against the bounds of a file.
LEVEL = 1 / 255


@pytest.fixture(scope="module")
def attributor(toy_fit: FitResult) -> Attributor:
    return toy_fit.attributor


@pytest.fixture(scope="module")
def own(toy_split: SplitGenerator) -> Tensor:
    return toy_split.sample(4, seed=77)


def is_within(moved: Tensor, images: Tensor, levels: int) -> bool:
    """Whether an 8-bit file holds `moved`, in the ball."""
    grid = torch.equal(moved, (moved * 255).round() / 255)
    near = float((moved - images).abs().max()) <= (levels + 1e-3) * LEVEL
    return grid and near and float(moved.min()) >= 0 and float(moved.max()) <= 1


def test_the_unrolled_inversion_is_the_products(attributor: Attributor, own: Tensor) -> None:
    inversion = UnrolledInversion(attributor)
    exact = attributor.invert(own)
    assert exact.iterations.max() > 10
    ours = attributor.anchor + inversion.unroll(own, exact.iterations)
    scale = (exact.z - attributor.anchor).abs().max()
    assert (ours - exact.z).abs().max() < 1e-3 * scale
    assert torch.equal(inversion(own.clone().requires_grad_()), exact.z)


def test_its_gradient_is_that_of_finite_differences(attributor: Attributor, own: Tensor) -> None:
    inversion = UnrolledInversion(attributor)
    iterations = attributor.invert(own).iterations
    source = torch.Generator().manual_seed(0)
    weights = torch.randn(own.shape[0], *attributor.anchor.shape, generator=source)
    pixels = own.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        (inversion.unroll(pixels, iterations) * weights).sum(), pixels
    )
    direction, size = gradient / gradient.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1), 2e-3

    def value(at: Tensor) -> Tensor:
        return (inversion.unroll(at, iterations) * weights).flatten(1).sum(dim=1)

    with torch.no_grad():
        slope = (value(own + size * direction) - value(own - size * direction)) / (2 * size)
    expected = (gradient * direction).flatten(1).sum(dim=1)
    # The penalty's choice is a constant to the gradient, and kinks lie between the two points.
    torch.testing.assert_close(slope, expected, rtol=0.35, atol=0)


def test_what_cannot_be_unrolled_is_refused(attributor: Attributor) -> None:
    settings = replace(attributor.settings, inversion=replace(attributor.settings.inversion,
                                                              solver="fista"))  # fmt: skip
    with pytest.raises(UsageError, match="fast solver"):
        UnrolledInversion(replace(attributor, settings=settings))


def test_the_surrogates_margin_is_the_products_decision(
    attributor: Attributor, own: Tensor
) -> None:
    images = torch.cat([own, noise_images(4, seed=5)])
    found = judge(attributor, images)
    ours = margin(Surrogate(attributor).margins(images)).detach().exp().numpy()
    # Pixels alone may decide on an image: a lower bound above the threshold.
    np.testing.assert_allclose(ours[:4], found.ratio[:4], rtol=1e-3)
    assert ((ours <= 1) == found.attributed).all()
    alone = margin(Surrogate(attributor, alone=True).margins(images)).detach().exp().numpy()
    np.testing.assert_allclose(alone, judge_alone(attributor, images).ratio, rtol=1e-3)


def test_a_white_box_attack_moves_the_products_score(attributor: Attributor, own: Tensor) -> None:
    surrogate = Surrogate(attributor)
    hidden = attack(surrogate, own, 2.5, framing=False, steps=4)
    assert is_within(hidden, own, 2)
    assert (judge(attributor, hidden).ratio > judge(attributor, own).ratio).all()
    foreign = noise_images(4, seed=6)
    framed = attack(surrogate, foreign, 4, framing=True, steps=6)
    assert is_within(framed, foreign, 4)
    before, after = (margin(surrogate.margins(x)) for x in (foreign, framed))
    assert (after < before).all()


def test_less_than_a_level_is_rounded_away(attributor: Attributor, own: Tensor) -> None:
    assert torch.equal(attack(Surrogate(attributor), own, 0.5, framing=False), own)


def test_a_larger_radius_goes_on_from_a_smaller_one(attributor: Attributor) -> None:
    surrogate, foreign = Surrogate(attributor), noise_images(2, seed=7)
    small = attack(surrogate, foreign, 1, framing=True, steps=3)
    large = attack(surrogate, foreign, 3, framing=True, steps=3, start=small)
    assert is_within(large, foreign, 3)
    assert (margin(surrogate.margins(large)) <= margin(surrogate.margins(small))).all()


def test_one_level_in_a_share_of_pixels(attributor: Attributor, own: Tensor) -> None:
    moved = one_level(Surrogate(attributor), own, 0.01)
    assert is_within(moved, own, 1)
    changed_pixels = (moved != own).flatten(1).sum(dim=1)
    assert (changed_pixels == round(0.01 * own[0].numel())).all()


def test_the_view_of_lossy_files_is_attacked_through_a_file(attributor: Attributor) -> None:
    surrogate, foreign = Surrogate(attributor), noise_images(2, seed=8)
    if attributor.detector.lossy is None:
        with pytest.raises(UsageError, match="lossy"):
            attack_as_jpeg(surrogate, foreign, 2, steps=1)
        return
    plain, made = (attack_as_jpeg(surrogate, foreign, eps, steps=3) for eps in (0, 4))
    before, after = (margin(surrogate.lossy_margins(x)) for x in (plain, made))
    assert (after <= before).all()
    assert is_within(made, made, 0)


def test_a_search_stays_in_its_ball_and_never_loses(attributor: Attributor) -> None:
    foreign, asked = noise_images(2, seed=9), 0

    def score(images: Tensor) -> Any:
        nonlocal asked
        asked += len(images)
        return attributor.score(images).score

    found = search(score, foreign, 2, True, (5, 15), attributor.calibration.threshold, seed=0)
    assert asked <= 2 * 15
    scores = [attributor.score(x).score for x in (foreign, *found)]
    assert (scores[1] <= scores[0]).all()
    assert (scores[2] <= scores[1]).all()
    assert all(is_within(x, foreign, 2) for x in found)


def test_changes_are_what_files_hold(own: Tensor) -> None:
    grey = own[:2, :1]
    made = changed(grey, seed=0)
    assert len(made) == sum(map(len, CURVES.values()))
    assert all(x.shape == grey.shape and is_within(x, x, 0) for x in made.values())
    noise = [psnr(made["noise, sigma in grey levels", s], grey).mean() for s in ("1", "4", "8")]
    assert noise == sorted(noise, reverse=True)
    coder = autoencoder(grey, steps=2, seed=0)
    assert coder(grey).shape == grey.shape


def test_images_made_anew(attributor: Attributor, toy_split: SplitGenerator) -> None:
    foreign = noise_images(2, seed=10)
    parts = (attributor.layer, attributor.output_map, attributor.anchor)
    wanted = toy_split.sample(2, seed=11)
    assert psnr(through_layer(wanted, *parts), wanted).min() > 30
    network = dcgan16().eval().requires_grad_(False)
    made = project(network, toy_split.latent, attributor.output_map, wanted, 40, seed=0)
    chance = psnr(toy_split.sample(2, seed=12), wanted)
    assert (psnr(made, wanted) > chance + 3).all()
    assert torch.equal(blend(foreign, made, 1.0), made)


def test_records_by_hand(attributor: Attributor, own: Tensor) -> None:
    found = replace(judge(attributor, own), attributed=np.array([True, True, True, False]))
    row = record(found, own, own, section="passive", kind="own")
    assert row["attributed"] == 0.75
    assert row["attributed_95"] == [0.3006, 0.9544]  # Wilson's for 3 of 4
    assert row["psnr_db"] is None
    assert float(psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1))) == pytest.approx(20)


def test_page_summary_and_merge(tmp_path: Path) -> None:
    row = {
        "section": "gradient", "detector": "default", "kind": "own", "how": "white box",
        "strength": "1", "images": 8, "attributed": 0.25, "attributed_95": [0.07, 0.59],
        "median_score": 3.0, "median_p": None, "psnr_db": 49.8, "largest_change": 1,
    }  # fmt: skip
    head = {"command": "x", "machine": "y", "target": "z", "fit": {"real": 1}}
    result = merge(head, "gradient", [row], 3.2)
    result = merge(result, "passive", [{**row, "section": "passive", "how": "none"}], 1.0)
    result = merge(result, "gradient", [{**row, "attributed": 0.125}], 2.0)
    assert [r["section"] for r in result["rows"]] == ["passive", "gradient"]
    assert result["cpu_s"] == {"passive": 1, "gradient": 2}
    assert result["summary"]["own_white_box_1"] == 0.125
    assert result["summary"]["real_white_box_4"] is None
    write(result, tmp_path)
    text = (tmp_path / "adversaries.md").read_text(encoding="utf-8")
    assert "| own | default | white box | 1 | 12% (7 to 59) | 3 | - | 49.8 dB | 1 |" in text
    assert (tmp_path / "adversaries.svg").stat().st_size > 1000
