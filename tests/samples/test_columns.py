"""Columns of a table as data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flipad_ops.common.errors import NotAttributable, UsageError
from flipad_ops.generators.output import OutputMap, quantise
from flipad_ops.samples.columns import Column, Columns, read_columns
from flipad_ops.samples.image_space import DeepImages, Images
from flipad_ops.samples.quantisation import BITS, EIGHT_BIT, SIXTEEN_BIT, Grid
from flipad_ops.samples.sample_kinds import space_of

COLUMNS = Columns((Column("a", 10.5, 14.5, 0.01), Column("b", 0.0, 100.0, 1.0), Column("c", -1, 1)))


def test_values_survive_the_way_to_pixels_and_back() -> None:
    values = np.array([[11.37, 42.0, 0.123456], [14.5, 0.0, -1.0]])
    pixels = COLUMNS.to_pixels(values)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(COLUMNS.to_values(pixels), values, atol=1e-6)
    assert COLUMNS.to_pixels(np.array([[99.0, -5.0, 0.0]])).tolist() == [[1.0, 0.0, 0.5]]


def test_the_grid_rounds_to_decimals_and_its_cells_hold_the_truth() -> None:
    grid = COLUMNS.grid
    exact = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    stored = grid.round(exact)
    values = COLUMNS.to_values(stored.numpy())
    np.testing.assert_allclose(values[:, 0], values[:, 0].round(2), atol=1e-9)
    np.testing.assert_allclose(values[:, 1], values[:, 1].round(), atol=1e-9)
    assert torch.equal(stored[:, 2], exact[:, 2])
    output_map = OutputMap("tanh", -1.0, 1.0)
    step = grid.step
    assert isinstance(step, torch.Tensor)
    lower, upper = output_map.interval_target(stored.double(), step)
    target = output_map.inverse(output_map.to_output(exact.double()))
    assert bool((lower - 1e-5 <= target).all() & (target <= upper + 1e-5).all())


def test_grids_of_images() -> None:
    pixels = torch.rand(50, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(EIGHT_BIT.round(pixels), quantise(pixels))
    assert torch.equal(SIXTEEN_BIT.round(pixels), quantise(pixels, 65535))
    assert BITS[16].step == 1 / 65535
    assert Grid.from_dict(COLUMNS.grid.to_dict()) == COLUMNS.grid
    for steps, offsets in (((), ()), ((2.0,), ()), ((0.1,), (0.0, 0.0))):
        with pytest.raises(UsageError):
            Grid(steps, offsets)


def test_metadata_says_how_samples_are_stored() -> None:
    eight, sixteen = space_of(None, (3, 8, 8)), space_of({"bits": 16}, (1, 8, 8))
    assert (eight, eight.grid) == (Images((3, 8, 8)), EIGHT_BIT)
    assert (sixteen, sixteen.grid) == (DeepImages((1, 8, 8)), SIXTEEN_BIT)
    assert space_of({"columns": COLUMNS.to_list()}, (3,)) == COLUMNS
    for words, shape, why in (
        ({"bits": 12}, (1, 8, 8), "8 or 16"),
        ({"columns": COLUMNS.to_list()}, (4,), "names 3 columns"),
        ({"columns": [{"name": "a"}]}, (1,), "low"),
    ):
        with pytest.raises(NotAttributable, match=why):
            space_of(words, shape)


@pytest.mark.parametrize(
    "text",
    ["no json", "{}", "[]", '[{"name": "a", "low": 1, "high": 1}]',
     '[{"name": "a", "low": "x", "high": 1}]', '[{"name": "a", "low": 0, "high": 1, "unit": "g"}]',
     '[{"name": "a", "low": 0, "high": 1}, {"name": "a", "low": 0, "high": 1}]'],
)  # fmt: skip
def test_malformed_columns_are_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "columns.json"
    path.write_text(text)
    with pytest.raises(UsageError):
        read_columns(path)
    path.write_text(json.dumps(COLUMNS.to_list()))
    assert read_columns(path) == COLUMNS
