"""The benchmark of the second witness, on the toy fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.regeneration import merge, write
from benchmarks.regeneration_parts.alterations import ALTERATIONS, AS_MADE, altered
from benchmarks.regeneration_parts.cost_section import scanned
from benchmarks.regeneration_parts.field import (
    Field,
    Fitted,
    counted,
    fit_folder,
    kept_fit,
    verdict_rows,
)
from benchmarks.regeneration_parts.figures import accuracies, summarise
from benchmarks.regeneration_parts.joint_attack import attack_both, second_margin
from benchmarks.regeneration_parts.sections import SECTIONS
from benchmarks.regeneration_parts.taef2_section import auc_of
from benchmarks.regeneration_parts.zoo_section import cpu_ms_refined
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.generators import SplitGenerator, quantise
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from flipad_ops.samples.png import save_png
from tests.conftest import noise_images

WANTED = {
    "altered_accuracy_mean", "altered_accuracy_min", "noise1_found", "jpeg98_found", "shift1_found",
    "lsgan_jpeg90_attributed", "framed_whitebox_4", "siblings_attributed_max", "siblings_own",
    "taef2_own", "taef2_photos_attributed", "taef2_auc_ours", "taef2_auc_aedr",
    "taef2_auc_latenttracer", "taef2_auc_jpeg90", "taef2_auc_jpeg90_aedr",
    "taef2_auc_jpeg90_latenttracer", "face_own", "face_photos_attributed",
    "unrelated_scan_cost_ratio", "cpu_ms_refined", "fit_minutes_zoo",
}  # fmt: skip


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory) -> Field:
    return Field(tmp_path_factory.mktemp("zoo"), 0.1)


@pytest.fixture(scope="module")
def fitted(
    scope: Field,
    toy_split: SplitGenerator,
    toy_foreign: dict[str, ForeignImages],
    toy_settings: FitSettings,
) -> Fitted:
    witness = RegenerationSettings(
        encoder_steps=30, encoder_batch=16, first_steps=4, steps=8, batch=8, own=20, foreign=12
    )
    settings = replace(toy_settings, regeneration=witness)

    def fit() -> FitResult:
        return fit_attributor(toy_split, toy_foreign, settings)

    made = kept_fit(scope, "toy", toy_split, fit)
    assert (fit_folder(scope, "toy") / "facts.json").exists()
    return made


def test_a_fit_is_kept_and_made_anew_once(
    scope: Field, fitted: Fitted, toy_split: SplitGenerator, toy_fit: FitResult
) -> None:
    def never() -> FitResult:
        raise AssertionError

    assert kept_fit(scope, "toy", toy_split, never).facts == fitted.facts
    asked = replace(scope, again=True, anew=set())
    with pytest.raises(AssertionError):
        kept_fit(asked, "toy", toy_split, never)
    asked.anew.add("toy")
    assert kept_fit(asked, "toy", toy_split, never).facts == fitted.facts
    assert toy_fit.attributor.second is None


def test_verdicts_are_those_of_each_kind_alone(fitted: Fitted, toy_split: SplitGenerator) -> None:
    assert fitted.both.second is not None
    assert fitted.first.second is None
    sets = {"own": toy_split.sample(6, seed=3), "noise": noise_images(5, seed=4)}
    rows = list(verdict_rows(fitted, sets, {"noise": {"origins": 5}}, section="zoo", how="x"))
    for row, images in zip(rows, sets.values(), strict=True):
        assert row["attributed"] == int(fitted.both.score(images).attributed.sum())
        assert row["without_second"] == int(fitted.first.score(images).attributed.sum())
        assert row["images"] == len(images)
    assert [row.get("origins") for row in rows] == [None, 5]
    assert cpu_ms_refined(fitted, sets["own"]) is None or rows


def test_alterations_keep_shape_and_grid() -> None:
    images = quantise(torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert len(ALTERATIONS) == 15
    for how in ALTERATIONS:
        made = altered(images, how)
        assert made.shape == images.shape
        assert torch.equal(quantise(made), made)
        assert torch.equal(made, images) == (how == AS_MADE)
        assert torch.equal(altered(images, how), made)


def test_a_smaller_budget_gives_smaller_fits() -> None:
    settings = Field(Path(), 0.01).smaller(recipe("default"))
    assert settings.regeneration.own == 20
    assert settings.regeneration.foreign == 12
    assert Field(Path(), 2.0).smaller(recipe("default")) == recipe("default")
    assert Field(Path(), 0.1).count(30) == 4


def test_the_joint_attack_stays_in_its_ball(fitted: Fitted) -> None:
    foreign: Tensor = noise_images(3, seed=6)
    for first in (False, True):
        made = attack_both(fitted.both, foreign, 4, True, first=first, rounds=1, steps=2)
        assert float((made.images - foreign).abs().max()) <= 4.001 / 255
        assert torch.equal(quantise(made.images), made.images)
        again = fitted.both.score(made.images).attributed
        np.testing.assert_array_equal(again, made.attributed)


def test_the_second_margin_is_the_products_word(fitted: Fitted, toy_split: SplitGenerator) -> None:
    assert fitted.both.second is not None
    images, regenerator = toy_split.sample(6, seed=8), fitted.both.second.regenerator
    remade = regenerator.remake(images)
    pixels = images.clone().requires_grad_()
    ours = second_margin(regenerator, pixels, remade)
    followed = remade.excess < 6.0  # of dropped images the trail says how far off they were
    torch.testing.assert_close(ours[followed], remade.excess[followed], rtol=1e-3, atol=1e-3)
    (slope,) = torch.autograd.grad(ours.sum(), pixels)
    assert bool(torch.isfinite(slope).all())


def test_a_scan_with_and_without(scope: Field, fitted: Fitted, toy_split: SplitGenerator,
                                 tmp_path: Path) -> None:  # fmt: skip
    images = torch.cat([toy_split.sample(4, seed=9), noise_images(4, seed=9)])
    for number, image in enumerate(images):
        save_png(image, tmp_path / f"{number}.png")
    for generator, attributor in ((None, fitted.first), (toy_split, fitted.both)):
        spent, found = scanned(tmp_path, fit_folder(scope, "toy"), generator)
        assert spent > 0
        assert found == int(attributor.score(images).attributed.sum())


def cell(hits: int, count: int, alone: int, **row: Any) -> dict[str, Any]:
    found, first = np.arange(count) < hits, np.arange(count) < alone
    return counted(found, first, **row)


def test_figures_page_and_merge_by_hand(tmp_path: Path) -> None:
    assert {*summarise([])} >= WANTED
    assert set(summarise([]).values()) == {None}
    zoo = {"section": "zoo", "target": "dcgan-0"}
    rows = [
        {**zoo, "how": "fit", "wall_s": 60.0, "cpu_s": 30.0, "stages_s": {"remake": 1.0},
         "cpu_ms_refined": 40.0},
        cell(8, 10, 0, **zoo, how="JPEG 90", kind="own"),
        cell(1, 5, 5, **zoo, how="JPEG 90", kind="lsgan"),
        cell(0, 5, 0, **zoo, how="JPEG 90", kind="real"),
    ]  # fmt: skip
    assert rows[1]["attributed_95"] == [0.4439, 0.9748]  # Clopper and Pearson's for 8 of 10
    assert accuracies(rows, "JPEG 90") == {"lsgan": 0.8, "real": 0.9}
    areas = [
        {"section": "taef2", "target": "taef2", "how": AS_MADE, "kind": "AUC", "method": "AEDR",
         "images": 4, **auc_of(np.array([0.0, 1.0]), np.array([2.0, 3.0]))}
    ]  # fmt: skip
    framed = [
        cell(1, 4, 4, section="whitebox", target="dcgan-0", kind=kind, how=how, levels=4)
        for kind in ("real", "lsgan")
        for how in ("framing the second", "framing both", "framing the first")
    ]
    hits = {"own": 4, "noise0": 2, "plain": 1, "photographs": 3}
    upscaler = {"section": "siblings", "target": "noise1", "how": AS_MADE, "origins": 4}
    related = [cell(n, 4, 4, kind=kind, **upscaler) for kind, n in hits.items()]
    head = {"command": "x", "machine": "y"}
    result = merge(head, "zoo", rows[:2], (9.0, 9.0), 0.1)
    for section, part in (
        ("whitebox", framed), ("taef2", areas), ("siblings", related), ("zoo", rows)
    ):  # fmt: skip
        result = merge(result, section, part, (3.2, 4.4), 1.0)
    assert list(result["seconds"]) == ["zoo", "siblings", "taef2", "whitebox"]
    assert [row["section"] for row in result["rows"][:4]] == ["zoo"] * 4
    summary = result["summary"]
    assert (summary["altered_accuracy_mean"], summary["altered_accuracy_min"]) == (0.85, 0.8)
    assert summary["altered_accuracy_mean_without_second"] == 0.25
    assert summary["lsgan_jpeg90_attributed"] == 0.2
    assert summary["framed_whitebox_4"] == 0.25
    assert (summary["siblings_own"], summary["siblings_attributed_max"]) == (1.0, 0.5)
    assert (summary["taef2_auc_aedr"], summary["fit_minutes_zoo"]) == (1.0, 0.5)
    assert {section for section, value in summary.items() if value is None} >= {"face_own"}
    write(result, tmp_path)
    text = (tmp_path / "regeneration.md").read_text(encoding="utf-8")
    assert "| JPEG 90 | 80.0 (0.0) | 90.0 (50.0) |" in text
    assert (tmp_path / "regeneration.svg").stat().st_size > 1000


def test_every_section_has_a_title() -> None:
    from benchmarks.regeneration_parts.page import TITLES

    assert list(TITLES) == list(SECTIONS)
