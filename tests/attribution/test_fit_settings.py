from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.common.errors import UsageError
from flipad_ops.detection import DeepSadSettings
from flipad_ops.inversion import InversionSettings


@pytest.mark.parametrize("name", ["default", "fast", "paper"])
def test_recipes_survive_json(name: str) -> None:
    settings = recipe(name)
    again = FitSettings.from_dict(json.loads(json.dumps(settings.to_dict())))
    assert again == settings
    assert again.sha256() == settings.sha256()


def test_paper_recipe_is_as_published() -> None:
    paper = recipe("paper")
    assert (paper.inversion.alpha, paper.inversion.data_term) == (5e-4, "point")
    assert (paper.own_train, paper.own_calibration, paper.own_test) == (10_000, 1_000, 1_000)
    assert (paper.anchor_samples, paper.channels, paper.fnr) == (5_000, 64, 0.005)
    detector = paper.detector
    assert (detector.epochs, detector.batch_size, detector.learning_rate) == (50, 128, 5e-4)
    assert (detector.dim, detector.eta, detector.weight_decay) == (128, 1.0, 5e-7)
    # The rate falls at epoch 25; the next milestones, 50 and 100, lie at or past the end.
    assert detector.milestones == (0.5,)


def test_recipe_overrides_and_refusals() -> None:
    assert recipe("fast", seed=7) == replace(recipe("fast"), seed=7)
    with pytest.raises(
        UsageError, match=r"Unknown recipe 'slow'; known are default, fast, paper\.$"
    ):
        recipe("slow")
    with pytest.raises(UsageError, match="Unknown fit setting 'epochs'"):
        recipe("fast", epochs=3)


def test_who_names_immunised_is_told_what_there_is_in_its_place() -> None:
    said = r"'immunised'.*\. Altered images are found by the second witness"
    for name, overrides in (("immunised", {}), ("default", {"immunised": 0.3})):
        with pytest.raises(UsageError, match=f"Unknown (recipe|fit setting) {said}"):
            recipe(name, **overrides)
    with pytest.raises(UsageError, match=f"Unknown fit setting {said}"):
        FitSettings.from_dict({"immunised": 0.0})


def test_every_setting_changes_the_hash() -> None:
    base = FitSettings()
    changes: dict[str, Any] = {
        "inversion": InversionSettings(alpha=0.02),
        "detector": DeepSadSettings(milestones=(0.5,)),
        "fnr": 0.01,
    }
    for name in base.to_dict():
        value = changes.get(name, getattr(base, name, None))
        changed = replace(base, **{name: value if name in changes else value + 1})
        assert changed.sha256() != base.sha256(), name
    assert FitSettings().sha256() == base.sha256()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"own_train": 0}, "own_train must be at least 1"),
        ({"own_test": -1}, "own_test must be at least 1"),
        ({"channels": 0}, "channels must be at least 1"),
        ({"fnr": 0.0}, "fnr must lie between 0 and 0.5"),
        ({"fnr": 0.5}, "fnr must lie between 0 and 0.5"),
        ({"fnr": float("nan")}, "fnr must lie between 0 and 0.5"),
        ({"min_negatives": 9}, "min_negatives must be at least 10"),
        ({"min_negatives": 300, "max_negatives": 200}, "at most max_negatives"),
        ({"seed": -1}, "seed must lie between"),
        ({"window": -1}, "window must not be negative"),
        ({"seed": 2**32}, "seed must lie between"),
    ],
    ids=str,
)
def test_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        FitSettings(**fields)


def test_from_dict_fills_in_defaults_and_refuses_unknown_keys() -> None:
    partial = FitSettings.from_dict({"detector": {"epochs": 3}, "inversion": {"alpha": 0.5}})
    assert partial.detector == DeepSadSettings(epochs=3)
    assert partial.inversion == InversionSettings(alpha=0.5)
    assert FitSettings.from_dict({}) == FitSettings()
    for values in ({"sed": 1}, {"detector": {"sed": 1}}, {"inversion": {"sed": 1}}):
        with pytest.raises(UsageError, match=r"^Unknown \w+ setting 'sed'"):
            FitSettings.from_dict(values)  # type: ignore[arg-type]
