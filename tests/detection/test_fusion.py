"""One score from several views."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from flipad_ops.detection import (
    Branch,
    DeepSad,
    Detector,
    Recovered,
    fit_features,
    fit_spectral,
    fit_statistics,
)
from flipad_ops.detection.lossy_traces import lossy_trace
from flipad_ops.detection.training_material import Material
from flipad_ops.detection.view import Inputs, Stored, View


def activations(level: float, seed: int, count: int = 80) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 6, 8, 8, generator=source) + level).clamp_min(-0.5)


def pixels(seed: int, count: int = 80) -> Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def fused() -> tuple[Branch, tuple[Tensor, Tensor, Tensor]]:
    own, foreign, images = activations(0.0, 1), activations(0.3, 2), pixels(1)
    ours, theirs = Recovered.held(own, images), Recovered.held(foreign, pixels(2))
    features = fit_features(ours, theirs, keep=4)
    head = fit_statistics(ours, theirs)
    branch = Branch([DeepSad(features.shape, 8), head, fit_spectral(images)])
    inputs = (features(own), own, images)
    branch.calibrate(branch.views(*inputs).numpy(), fnr=0.1)
    return branch, inputs


def test_branch_score_is_the_most_foreign_view_in_units_of_its_threshold() -> None:
    branch, inputs = fused()
    views = branch.views(*inputs)
    assert views.shape == (80, 3)
    expected = (views / branch.scales).amax(dim=1)
    torch.testing.assert_close(Detector([branch]).score(*inputs), expected)
    assert float((views / branch.scales <= 1).double().mean(dim=0).min()) >= 0.9


def test_of_two_branches_the_one_that_accepts_counts() -> None:
    branch, inputs = fused()
    other = Branch([fit_spectral(pixels(5))])
    other.calibrate(other.views(*inputs).numpy(), fnr=0.1)
    scores = [Detector([part]).score(*inputs) for part in (branch, other)]
    both = Detector([branch, other])
    torch.testing.assert_close(both.score(*inputs), torch.minimum(*scores))
    both.cutoff.fill_(1.0)
    screen = both.screen(torch.full_like(inputs[2][:2], 0.5))
    assert screen.decided.all()
    flat = torch.full_like(inputs[2][:2], 0.5)
    bounds = [part.screen(Inputs(flat, flat, flat)) for part in (branch, other)]
    assert torch.equal(screen.score, torch.minimum(*bounds))


def test_screen_decides_nothing_until_it_is_told_a_cutoff() -> None:
    branch, (_, _, images) = fused()
    detector = Detector([branch])
    flat = torch.full_like(images[:3], 0.5)
    before = detector.screen(flat)
    assert not before.decided.any()
    detector.cutoff.fill_(1.0)
    again = detector.screen(flat)
    assert again.decided.all()
    assert torch.equal(before.score, again.score)
    assert float(detector.screen(images).decided.double().mean()) <= 0.1


def test_deepsad_alone_gives_its_distance() -> None:
    own = activations(0.0, 1)
    images = pixels(1)
    foreign = Recovered.held(activations(0.3, 2), images)
    features = fit_features(Recovered.held(own, images), foreign, keep=4)
    deepsad = DeepSad(features.shape, 8)
    plain = Detector([Branch([deepsad])])
    inputs = (features(own), own, images)
    torch.testing.assert_close(plain.score(*inputs), deepsad.distance(features(own)).double())
    plain.cutoff.fill_(-1.0)
    assert plain.screen(inputs[2]).score.tolist() == [0.0] * 80


class Network(View):
    """Stands for a dear view of pixels: remembers how many it was asked about."""

    name = "network"

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, pixels: Tensor) -> Tensor:
        self.asked += len(pixels)
        return pixels.double().std(dim=(1, 2, 3))

    @classmethod
    def fit(cls, material: Material) -> View | None:
        return None

    @classmethod
    def empty(cls, stored: Stored) -> View:
        return cls()


@pytest.mark.parametrize("cutoff", [1.0, 2.0, float("inf")])
def test_screen_decides_as_if_every_view_had_been_asked(cutoff: float) -> None:
    own = pixels(1)
    lossy = Branch([network := Network(), fit_spectral(jpeg(own))])
    lossy.calibrate(lossy.views(jpeg(own), own, jpeg(own)).numpy(), fnr=0.1)
    part = Branch([fit_spectral(own)])
    part.calibrate(part.views(own, own, own).numpy(), fnr=0.1)
    detector = Detector([part], lossy)
    detector.cutoff.fill_(cutoff)
    detector.lossy_scale.fill_(0.9)
    images = torch.cat([pixels(7), jpeg(pixels(8)), jpeg(pixels(9) / 4), pixels(9) / 4])

    score = part.screen(Inputs(images, images, images))
    of_lossy = lossy.of_pixels(images) / 0.9
    decided = score > cutoff
    flagged = ((of_lossy <= cutoff) | ~decided) & lossy_trace(images)
    network.asked = 0
    screen = detector.screen(images)
    assert torch.equal(screen.recompressed, flagged)
    assert torch.equal(screen.decided, decided | flagged)
    assert torch.equal(screen.score, torch.where(flagged, of_lossy, score))
    assert flagged.any()
    if cutoff < 2:
        assert network.asked < len(images)


def jpeg(images: Tensor, quality: int = 70) -> Tensor:
    """Images, (n, 3, height, width) in [0, 1], out of JPEG files without chroma subsampling."""
    stored = []
    for image in (images * 255).round().byte().permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=0)
        stored.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2).float() / 255
