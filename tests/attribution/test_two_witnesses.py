"""A fit with a second witness: what both say together, stored, silent, and where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flipad_ops.attribution.alteration_words import words
from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.augmentation import noise, through_file
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import LATER, load_attributor, save_attributor
from flipad_ops.attribution.stages import remake_time
from flipad_ops.attribution.stages.remake import why_none
from flipad_ops.attribution.stages.remake_time import steps_of
from flipad_ops.common.errors import AttributorCorrupt, AttributorError, RecordAltered
from flipad_ops.generators import SplitGenerator, split_generator
from flipad_ops.regeneration.regeneration_settings import RegenerationSettings
from tests.attribution.test_serialisation import edit_json, edit_tensors
from tests.generators.toys import METADATA, toy
from tests.regeneration.small import LATENTS, generator, images

SETTINGS = FitSettings(
    own_train=160,
    own_calibration=100,
    own_test=40,
    anchor_samples=100,
    channels=8,
    second_moments=False,
    students=0,
    recompressed=0.0,
    min_negatives=50,
    max_negatives=240,
    regeneration=RegenerationSettings(
        encoder_steps=200, encoder_batch=16, first_steps=30, steps=60, batch=8, own=50, foreign=45
    ),
)


@pytest.fixture(scope="module")
def split() -> SplitGenerator:
    """The small generator."""
    metadata = {"latent": {"shape": [LATENTS], "distribution": "normal"}}
    return split_generator(generator(), metadata, name="small", version="1")


@pytest.fixture(scope="module")
def fitted(split: SplitGenerator) -> FitResult:
    """Against a sibling and noise."""
    sibling = ForeignImages(images(generator(7), 120, 2)[1], sibling=True)
    other = ForeignImages(images(generator(9), 120, 3)[1])
    return fit_attributor(split, {"sibling": sibling, "other": other}, SETTINGS)


@pytest.fixture(scope="module")
def attributor(fitted: FitResult) -> Attributor:
    """Its second witness speaks."""
    return fitted.attributor


def _found(split: SplitGenerator, count: int = 24) -> torch.Tensor:
    return split.sample(count, 4321)


def test_altered_own_images_are_found_and_siblings_are_not(
    attributor: Attributor, split: SplitGenerator
) -> None:
    source, own = torch.Generator().manual_seed(0), _found(split)
    strange = images(generator(7), 24, 44)[1]
    for alter in (lambda x: x, lambda x: noise(x, 2 / 255, source),
                  lambda x: through_file(x, "JPEG", (90, 90), source)):  # fmt: skip
        assert attributor.score(alter(own)).attributed.mean() > 0.85
        assert attributor.score(alter(strange)).attributed.mean() < 0.1


def test_one_score_p_and_decision(attributor: Attributor, split: SplitGenerator) -> None:
    pixels = torch.cat([_found(split, 8), images(generator(7), 8, 45)[1]])
    result, calibration = attributor.score(pixels), attributor.calibration
    assert result.testimony is not None
    told = [each for each in result.testimony if each is not None]
    assert len(told) == 16
    ratios = np.array([each.ratio for each in told])
    np.testing.assert_allclose(result.score, ratios * calibration.threshold)
    assert np.array_equal(result.attributed, ratios <= 1)
    assert calibration.second_null is not None
    second = calibration.second_null.p(ratios)
    assert (result.p <= np.minimum(1, 2 * second) + 1e-12).all()
    refused = ~result.attributed
    np.testing.assert_allclose(result.p[refused], np.minimum(1, 2 * second[refused]))
    counted = [p if t.empirical_p is None else t.empirical_p
               for p, t in zip(result.p, told, strict=True)]  # fmt: skip
    assert min(counted) >= attributor.p_floor
    for each, accepted in zip(told, result.attributed, strict=True):
        assert bool(each.latent) is bool(accepted)
        assert (each.witnesses in ("both", "second")) is bool(accepted)
    assert result.stages is not None
    assert result.stages["remake"][0] == 16


def test_what_both_accept_as_made_has_a_p_beyond_the_floor_and_it_is_marked(
    attributor: Attributor, split: SplitGenerator
) -> None:
    tail = attributor.calibration.joint_tail
    assert tail is not None
    result = attributor.score(torch.cat([_found(split, 12), images(generator(7), 12, 46)[1]]))
    assert result.testimony is not None
    marked = np.array([t is not None and t.empirical_p is not None for t in result.testimony])
    assert marked[:12].sum() >= 8
    for row in np.flatnonzero(marked):
        told = result.testimony[row]
        assert told is not None
        assert told.witnesses == "both"
        assert told.words.startswith("as made")
        assert told.empirical_p is not None
        assert result.p[row] < told.empirical_p
    assert (result.p[~marked] >= attributor.p_floor).all()
    assert attributor.second is not None
    assert 0 < attributor.second.typical_p < attributor.p_floor


def test_hopeless_images_are_not_inverted(attributor: Attributor) -> None:
    source = torch.Generator().manual_seed(1)
    result = attributor.score((torch.rand(8, 1, 16, 16, generator=source) * 255).round() / 255)
    assert not result.attributed.any()
    assert np.isfinite(result.score).all()
    assert result.p.min() > 0.01


def test_the_latent_is_evidence(attributor: Attributor, split: SplitGenerator) -> None:
    pixels = _found(split, 6)
    result = attributor.score(pixels)
    assert result.testimony is not None
    for found, told in zip(pixels, result.testimony, strict=True):
        assert told is not None
        if not told.latent:
            continue
        made, altered = attributor.show(told)
        assert made.shape == altered.shape == (16, 16, 1)
        assert abs(attributor.distance(found, told) - told.psnr) < 0.1
        assert told.words == words(told.alteration)
        with pytest.raises(RecordAltered):
            attributor.show(replace(told, latent_sha256="0" * 64))


def test_stored_and_brought_it_says_the_same(
    attributor: Attributor, split: SplitGenerator, tmp_path: Path
) -> None:
    save_attributor(attributor, tmp_path)
    again, pixels = load_attributor(tmp_path), _found(split, 5)
    assert "silent" in again.second_witness
    alone = again.score(pixels)
    assert alone.testimony is None
    assert again.rates == attributor.evaluation["first_witness"]
    assert again.p_floor * 2 == attributor.p_floor
    with pytest.raises(AttributorError, match="not at hand"):
        again.show(next(iter(attributor.score(pixels).testimony or ())))  # type: ignore[arg-type]
    again.bring(split)
    np.testing.assert_allclose(again.score(pixels).score, attributor.score(pixels).score, rtol=1e-3)
    assert again.rates == attributor.evaluation


@pytest.mark.parametrize("version", LATER)
def test_one_of_a_format_before_says_what_it_said(
    attributor: Attributor, split: SplitGenerator, tmp_path: Path, version: int
) -> None:
    save_attributor(attributor, tmp_path)
    by_judges_alone = load_attributor(tmp_path)
    assert by_judges_alone.regeneration is not None
    assert by_judges_alone.regeneration.plain.made > -torch.inf
    for name, value in (("nothing", 0.0), ("made", -torch.inf), ("coarse", torch.inf)):
        if f".{name}" in LATER[version]:
            by_judges_alone.regeneration.plain.get_buffer(name).fill_(value)
    by_judges_alone.bring(split)

    def earlier(tensors: dict[str, torch.Tensor]) -> None:
        for name in [each for each in tensors if each.endswith(LATER[version])]:
            del tensors[name]

    edit_tensors(tmp_path, earlier)
    with pytest.raises(AttributorCorrupt):
        load_attributor(tmp_path)
    edit_json(tmp_path, lambda fields: fields.update(format=version))
    again, pixels = load_attributor(tmp_path), _found(split, 5)
    again.bring(split)
    expected = by_judges_alone.score(pixels).score
    np.testing.assert_allclose(again.score(pixels).score, expected, rtol=1e-3)


def test_a_damaged_file_is_refused(attributor: Attributor, tmp_path: Path) -> None:
    save_attributor(attributor, tmp_path)
    path = tmp_path / "attributor.json"
    path.write_text(path.read_text().replace('"latent_shape"', '"latent_shade"'))
    with pytest.raises(AttributorCorrupt):
        load_attributor(tmp_path)


def test_figures_are_of_both_witnesses_and_of_the_first_alone(attributor: Attributor) -> None:
    figures = attributor.evaluation
    assert set(figures["strata"]) == set(figures["altered"]["strata"]) == {"sibling", "other"}
    assert set(figures["first_witness"]["strata"]) == {"sibling", "other"}
    assert set(attributor.remade_null) == {
        "sibling", "sibling, altered", "other", "other, altered",
    }  # fmt: skip
    assert len(attributor.remade_own) == 100
    assert "makes the image again" in attributor.second_witness


def test_where_there_can_be_none_the_attributor_says_why(toy_split: SplitGenerator) -> None:
    assert why_none(toy_split) == ""
    sixteen = split_generator(toy("conv2d"), {**METADATA, "bits": 16}, name="toy", version="2")
    assert "8 bits" in why_none(sixteen)


def test_a_fit_that_would_take_too_long_goes_without(split: SplitGenerator) -> None:
    many = replace(SETTINGS.regeneration, minutes=1, encoder_steps=1_000_000)
    other = ForeignImages(images(generator(9), 120, 3)[1])
    fitted = fit_attributor(split, {"other": other}, replace(SETTINGS, regeneration=many))
    assert fitted.attributor.regeneration is None
    assert "minutes" in fitted.attributor.second_witness


def test_a_fit_that_would_take_too_long_with_all_its_images_takes_fewer(
    split: SplitGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = replace(SETTINGS.regeneration, minutes=1, own=80, foreign=40)
    monkeypatch.setattr(remake_time, "step_seconds", lambda plan: 48 / steps_of(split, chosen, 1))
    other = ForeignImages(images(generator(9), 120, 3)[1])
    settings = replace(SETTINGS, own_calibration=160, regeneration=chosen)
    fitted = fit_attributor(split, {"other": other}, settings)
    few = fitted.attributor
    assert len(few.remade_own) == 60 * 2
    assert len(few.remade_null["other"]) == 24
    assert few.second_witness.endswith(
        "The second witness was fitted with 60 own images each way and 24 of each foreign source: "
        "with 80 and 40 it would have taken about 1 minutes on cpu, and 1 are allowed (settings: "
        "regeneration, minutes)."
    )
    save_attributor(few, tmp_path)
    stored = load_attributor(tmp_path)
    stored.bring(split)
    assert stored.second_witness == few.second_witness


def test_attributors_without_one_bring_nothing(
    toy_fit: FitResult, toy_split: SplitGenerator
) -> None:
    assert toy_fit.attributor.second_witness == ""
    with pytest.raises(AttributorError, match="without a second witness"):
        toy_fit.attributor.bring(toy_split)
