"""Which foreign images a fit gathers: what is named, and the registry's other versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow import MlflowClient
from torch import nn

from flipad_ops.attribution.inversion_runs import silent
from flipad_ops.registry.generators import load_generator, register_generator
from flipad_ops.samples.png import save_png
from flipad_ops.workflows.fit_request import FitRequest
from flipad_ops.workflows.foreign_sources import gather, most_images
from flipad_ops.workflows.gathered import Gathered
from tests.registry.tiny import TinyDcgan, tiny_generator, tiny_settings

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def others(registered: str) -> str:
    """`tiny` 1 and 2, `rival` 1, and `stuck` 1, which gives one image."""
    register_generator("tiny", *tiny_generator(seed=2), tracking_uri=registered)
    register_generator("rival", *tiny_generator(seed=3), tracking_uri=registered)
    module, metadata = tiny_generator(seed=4)
    assert isinstance(module, TinyDcgan)
    nn.init.zeros_(module.body[0].weight)
    register_generator("stuck", module, metadata, tracking_uri=registered)
    return registered


def gathered(store: str, **fields: Any) -> Gathered:
    generator = load_generator("tiny/1", tracking_uri=store)
    request = FitRequest("tiny/1", tracking_uri=store, **fields)
    none = torch.empty(0, *generator.sample_shape)
    settings = tiny_settings()
    return gather(MlflowClient(store), generator, request, settings, none, silent)


@pytest.mark.parametrize("named", [{}, {"folder": True}, {"negatives_models": ("rival",)}])
def test_other_versions_are_added_whatever_is_named(
    others: str, photos: Path, named: dict[str, Any]
) -> None:
    fields = {"negatives": (str(photos),)} if named.pop("folder", False) else named
    found = gathered(others, **fields)
    folders = {"photos"} if "negatives" in fields else set()
    assert set(found.images) == {"tiny/2", "rival/1"} | folders
    assert {n for n, source in found.images.items() if source.sibling} == {"tiny/2"}
    assert any("stuck/1 left out" in note for note in found.notes)
    # As many of each as of any other.
    sampled = {len(source) for n, source in found.images.items() if n not in folders}
    (size,) = sampled
    limit = most_images(load_generator("tiny/1", tracking_uri=others), tiny_settings())
    assert size == -(-limit // (3 + len(folders)))


def test_without_the_registry_only_what_is_named(others: str, photos: Path) -> None:
    assert set(gathered(others, negatives=(str(photos),), registry=False).images) == {"photos"}
    assert set(gathered(others, negatives_models=("rival",), registry=False).images) == {"rival/1"}


def test_the_configuration_names_what_was_asked_for_alone() -> None:
    plain, less = FitRequest("a/1"), FitRequest("a/1", registry=False)
    assert plain.config_sha256() != less.config_sha256()
    # That of attributors from before there was the choice.
    assert plain.config_sha256() == FitRequest("b/7", registry=True).config_sha256()


def test_files_of_one_origin_by_their_names(registered: str, tmp_path: Path) -> None:
    """As tiles or frames are named; a name without a match is its own origin."""
    source = torch.Generator().manual_seed(0)
    generator = load_generator("tiny/1", tracking_uri=registered)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(16):
        image = torch.rand(generator.sample_shape, generator=source)
        save_png(image, folder / (f"clip-{number % 5}_{number}.png" if number else "alone.png"))
    place = {"negatives": (str(folder),), "registry": False}
    by_file, by_clip = (
        gathered(registered, **place, group=group).images["frames"].groups
        for group in ("", r"^(.*)_\d+\.png$")
    )
    assert by_file is not None
    assert by_clip is not None
    assert len(set(by_file)) == 16
    assert set(by_clip) == {"alone.png", *(f"clip-{number}" for number in range(5))}
    grouped = FitRequest("a/1", group="x")
    assert grouped.config_sha256() != FitRequest("a/1").config_sha256()
