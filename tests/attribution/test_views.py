"""A view of another package: offered, fitted, stored, loaded where it is installed, and scored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import JSON_NAME, load_attributor, save_attributor
from flipad_ops.common.errors import AttributorCorrupt, UsageError
from flipad_ops.detection.views import UNNAMED, VIEWS
from flipad_ops.generators import SplitGenerator
from tests.conftest import noise_images

ROOT = Path(__file__).parents[2]
VALUE = "tests.attribution.saturation_view:Saturation"
SCORE = """
import sys, torch
from flipad_ops.attribution.serialisation import load_attributor
print(load_attributor(sys.argv[1]).score(torch.load(sys.argv[2])).score.tolist())
"""


def offer(folder: Path, name: str = "saturation", value: str = VALUE) -> Path:
    """What an installed package leaves on the import path."""
    info = folder / "example-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flipad_ops.views]\n{name} = {value}\n")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return offer(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def saved(
    installed: Path,
    toy_split: SplitGenerator,
    toy_settings: FitSettings,
    toy_foreign: dict[str, ForeignImages],
) -> tuple[FitResult, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(installed)
        settings = replace(toy_settings, students=0, extra_views=("saturation",))
        result = fit_attributor(toy_split, toy_foreign, settings)
    return result, save_attributor(result.attributor, installed / "attributor")


def test_an_offered_view_has_a_say_beside_the_others(
    saved: tuple[FitResult, Path], toy_split: SplitGenerator
) -> None:
    attributor = saved[0].attributor
    branch = attributor.detector.parts[0]
    assert list(branch.named) == ["deepsad", "head", "spectral", "saturation"]
    grey = toy_split.sample(4, seed=3).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    scores = branch.named["saturation"](grey) / branch.scales[-1]
    assert (scores > 1).all()
    assert (
        attributor.detector.combine(attributor.views(attributor.invert(grey).z, grey)).numpy()
        >= scores.numpy()
    ).all()


def test_it_is_loaded_in_a_process_where_it_is_installed(
    saved: tuple[FitResult, Path], installed: Path, toy_split: SplitGenerator, tmp_path: Path
) -> None:
    result, folder = saved
    fields = json.loads((folder / JSON_NAME).read_text())
    assert fields["format"] == 6
    assert fields["views"] == {"branches.0.saturation": {"floor": 1e-3}}
    images = torch.cat([toy_split.sample(3, seed=4), noise_images(3, seed=4)])
    torch.save(images, tmp_path / "images.pt")
    there = subprocess.run(
        [sys.executable, "-c", SCORE, str(folder), str(tmp_path / "images.pt")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{installed}"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = result.attributor.score(images).score
    np.testing.assert_allclose(json.loads(there.stdout), here, rtol=1e-6)


def test_where_it_is_not_installed_one_sentence_says_so(
    saved: tuple[FitResult, Path], toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    with pytest.raises(AttributorCorrupt, match="no view 'saturation': install the package"):
        load_attributor(saved[1])
    settings = replace(toy_settings, extra_views=("saturation",))
    with pytest.raises(UsageError, match=r"no view 'saturation'.*\(offered: none\)"):
        fit_attributor(toy_split, {}, settings)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("colour", VALUE, "not a View of the name 'colour'"),
        ("saturation", f"{VALUE.partition(':')[0]}:saturation", "not a View"),
        ("deepsad", "flipad_ops.detection:DeepSad", "or one of that name exists"),
        ("saturation", "nowhere.to:be_found", "cannot be imported"),
    ],
)
def test_what_is_offered_must_be_such_a_view(
    name: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    toy_split: SplitGenerator, toy_settings: FitSettings,
) -> None:  # fmt: skip
    monkeypatch.syspath_prepend(offer(tmp_path, name, value))
    with pytest.raises(UsageError, match=message):
        fit_attributor(toy_split, {}, replace(toy_settings, extra_views=(name,)))


def test_views_of_this_package_have_distinct_names_that_formats_know() -> None:
    assert len({view.name for view in VIEWS}) == len(VIEWS)
    assert {view.name for view in VIEWS} >= UNNAMED


def test_settings_without_extra_views_are_stored_as_ever(toy_settings: FitSettings) -> None:
    assert "extra_views" not in toy_settings.to_dict()
    extra = replace(toy_settings, extra_views=("a", "b"))
    assert FitSettings.from_dict(json.loads(json.dumps(extra.to_dict()))) == extra
    assert extra.sha256() != replace(extra, extra_views=("b", "a")).sha256()
    for wrong in ({"extra_views": ("a", "a")}, {"extra_views": ("a",), "fusion": False}):
        with pytest.raises(UsageError, match="extra_views"):
            replace(toy_settings, **wrong)  # type: ignore[arg-type]
