from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from flipad_ops.attribution.conventions import CONVENTIONS, written_otherwise
from flipad_ops.attribution.fit_result import FitResult
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.own_samples import draw_own
from flipad_ops.generators import SplitGenerator
from flipad_ops.samples.sample_kinds import space_of


def test_own_test_samples_as_others_write_them(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    """The same latents: never more than a grey level from what the fit was tested on."""
    rounded = draw_own(toy_split, toy_settings).test
    made = written_otherwise(toy_split, toy_settings, 9)
    assert set(made) == set(CONVENTIONS)
    for images in made.values():
        levels = images * 255
        assert torch.equal(levels.round(), levels.round(decimals=3))
        off = (images - rounded[:9]).abs().amax() * 255
        assert 0.5 < float(off) < 1.5
    assert not torch.equal(*made.values())


def test_samples_of_other_kinds_have_no_such_files(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    fine = replace(toy_split, space=space_of({"bits": 16}, toy_split.sample_shape))
    assert written_otherwise(fine, toy_settings, 9) == {}


def test_a_fit_states_what_it_finds_of_them(toy_fit: FitResult) -> None:
    rates = toy_fit.attributor.evaluation["conventions"]
    assert set(rates) == set(CONVENTIONS)
    for rate in rates.values():
        assert rate["low"] <= rate["value"] <= rate["high"]
        assert rate["count"] == rate["origins"] == len(toy_fit.test_scores["own"])
    assert np.mean([rate["value"] for rate in rates.values()]) > 0.5
