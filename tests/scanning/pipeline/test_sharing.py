"""Attributors of one inversion problem invert an image once, and score it as each would alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.scorer import Scorer
from flipad_ops.attribution.serialisation import save_attributor
from flipad_ops.generators import SplitGenerator
from flipad_ops.inversion import FinalLayerInverter, InversionResult
from flipad_ops.registry.scorers import LoadedScorer, from_folder
from flipad_ops.samples.png import encode_png
from flipad_ops.scanning.decisions.records import Row
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.pipeline.joint_scorers import score_together, sharing_groups
from flipad_ops.scanning.pipeline.lanes import NO_SCORE
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.scanning.pipeline.sharing import make_lanes
from tests.conftest import noise_images
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import Slow, rows


class Alone:
    """A scorer that keeps its inversions to itself."""

    def __init__(self, scorer: LoadedScorer) -> None:
        self.name, self.version, self.card = scorer.name, scorer.version, scorer.card
        self.space, self.threshold = scorer.space, scorer.threshold
        self.p_floor, self.score = scorer.p_floor, scorer.score


@pytest.fixture(scope="module")
def unscreened(
    toy_split: SplitGenerator, toy_foreign: dict[str, ForeignImages], toy_settings: FitSettings
) -> FitResult:
    """The toy fitted again, as published: the same anchor, and no screen."""
    settings = replace(toy_settings, fusion=False, students=0)
    return fit_attributor(toy_split, toy_foreign, settings)


def loaded(attributor: Attributor, name: str, folder: Path) -> LoadedScorer:
    """Saved and loaded again, under a name of its own."""
    facts = {"name": name, "final_layer_sha256": attributor.layer.sha256()}
    save_attributor(replace(attributor, generator={**attributor.generator, **facts}), folder / name)
    return from_folder(folder / name, "cpu")


@pytest.fixture
def pair(toy_fit: FitResult, unscreened: FitResult, tmp_path: Path) -> list[LoadedScorer]:
    return [
        loaded(toy_fit.attributor, "screening", tmp_path),
        loaded(unscreened.attributor, "inverting", tmp_path),
    ]


@pytest.fixture
def images(toy_split: SplitGenerator) -> Tensor:
    return torch.cat([toy_split.sample(12, seed=33), noise_images(20, seed=31)])


@pytest.fixture
def target(images: Tensor) -> Slow:
    return Slow({f"{i:02d}.png": encode_png(image) for i, image in enumerate(images)})


@pytest.fixture
def inversions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each inversion had."""
    seen: list[int] = []
    real = FinalLayerInverter.invert

    def counting(self: FinalLayerInverter, pixels: Tensor, step: float = 1 / 255) -> object:
        seen.append(len(pixels))
        return real(self, pixels, step)

    monkeypatch.setattr(FinalLayerInverter, "invert", counting)
    return seen


def scanned(target: Slow, scorers: Sequence[Scorer]) -> list[Row]:
    return rows(run_scan(ScanPlan([target], workers=0, batch_size=9), scorers))


def test_one_inversion_per_image_and_the_same_bits(
    pair: list[LoadedScorer], target: Slow, images: Tensor, inversions: list[int]
) -> None:
    apart = scanned(target, [Alone(scorer) for scorer in pair])
    needed = [scorer.screen(images).needed for scorer in pair]
    assert 12 <= needed[0].sum() < needed[1].sum() == len(images)
    assert sum(inversions) == needed[0].sum() + needed[1].sum()
    inversions.clear()
    together = scanned(target, pair)
    assert together == apart
    assert sum(inversions) == len(images)


def test_the_shared_inversion_is_counted_once(pair: list[LoadedScorer], images: Tensor) -> None:
    wanted = np.ones((2, len(images)), bool)
    wanted[0, :5] = False
    first, second = (batch.stages or {} for batch in score_together(pair, images, wanted))
    assert first["screen"][0] == len(images) - 5
    assert second["screen"][0] == len(images)
    assert first["invert"][0] == pair[1].screen(images).needed.sum()
    assert "invert" not in second


def test_an_image_that_all_rule_out_is_not_inverted(
    pair: list[LoadedScorer], toy_fit: FitResult, tmp_path: Path, inversions: list[int]
) -> None:
    other = loaded(toy_fit.attributor, "other", tmp_path)
    noise = noise_images(20, seed=32)
    needed = pair[0].screen(noise).needed
    target = Slow({f"{i:02d}.png": encode_png(image) for i, image in enumerate(noise)})
    found = scanned(target, [pair[0], other])
    assert sum(inversions) == needed.sum() < 20
    assert len(found) == 40


def test_only_equal_problems_are_shared(
    pair: list[LoadedScorer], toy_fit: FitResult, toy_split: SplitGenerator, tmp_path: Path
) -> None:
    base = toy_fit.attributor
    alpha = replace(base.settings.inversion, alpha=base.settings.inversion.alpha * 2)
    weight = base.layer.weight.clone()
    weight[0, 0, 0, 0] += 1e-6
    others = {
        "anchor": replace(base, anchor=toy_split.mean_activation(32, seed=5), inverter=None),
        "layer": replace(base, layer=replace(base.layer, weight=weight), inverter=None),
        "alpha": replace(
            base, settings=replace(base.settings, inversion=alpha), inverter=None
        ),
        "range": replace(base, output_map=replace(base.output_map, high=0.9), inverter=None),
    }  # fmt: skip
    scorers = [*pair, *(loaded(other, name, tmp_path) for name, other in others.items())]
    groups = sharing_groups([scorers[0], DarkIsOurs(), *scorers[1:], DarkIsOurs(name="again")])
    assert groups == [[0, 2], [1], [3], [4], [5], [6], [7]]
    assert base.inversion_key != pair[0].inversion_key  # an inverter of one's own is not shared


def test_a_score_that_one_lacks_costs_the_other_nothing(
    pair: list[LoadedScorer], target: Slow, inversions: list[int]
) -> None:
    expected = [row for row in scanned(target, pair) if row.attributor.startswith("screening")]
    inversions.clear()
    attributor = pair[1].attributor
    features = replace(attributor.features, mean=attributor.features.mean * torch.nan)
    pair[1].attributor = replace(attributor, features=features)
    found = scanned(target, pair)
    assert [row for row in found if row.attributor.startswith("screening")] == expected
    failed = [row for row in found if row.attributor.startswith("inverting")]
    assert {(row.outcome, row.reason) for row in failed} == {("failed", NO_SCORE)}
    assert sum(inversions) == len(target.objects)


def test_out_of_memory_halves_the_batch_of_the_group(
    pair: list[LoadedScorer], target: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scanned(target, pair)
    real = LoadedScorer.invert

    def cramped(self: LoadedScorer, pixels: Tensor) -> InversionResult:
        if len(pixels) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return real(self, pixels)

    monkeypatch.setattr(LoadedScorer, "invert", cramped)
    found = scanned(target, pair)
    assert [(row.key, row.attributor) for row in found] == [
        (row.key, row.attributor) for row in expected
    ]
    np.testing.assert_allclose(
        [row.score for row in found], [row.score for row in expected], rtol=1e-5
    )


def test_content_known_to_one_is_scored_by_the_other_alone(
    pair: list[LoadedScorer], images: Tensor, inversions: list[int]
) -> None:
    ledger = SqliteLedger()
    ledger.begin({})
    lanes = make_lanes(pair, ledger, 8)
    pixels = (images[0] * 255).round().to(torch.uint8).numpy()
    first, second = (
        Row("a.png", "t", 1, "scored", lane.name, sha256="f" * 64) for lane in lanes
    )  # fmt: skip
    ledger.add(replace(first, score=0.25, p=0.5, attributed=False, converged=True), 0)
    for position, key in enumerate(("b.png", "c.png"), 1):
        for lane, row in zip(lanes, (first, second), strict=True):
            lane.add(replace(row, key=key), position, pixels)
    for lane in lanes:
        lane.flush()
    assert inversions == [1]
    known, scored = ([*ledger.rows("scored", lane.name)] for lane in lanes)
    assert [(row.key, row.score) for row in known] == [
        ("a.png", 0.25), ("b.png", 0.25), ("c.png", 0.25),
    ]  # fmt: skip
    alone = float(pair[1].score(images[:1]).score[0])
    assert [(row.key, row.score) for row in scored] == [("b.png", alone), ("c.png", alone)]
