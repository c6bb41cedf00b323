from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.serialisation import (
    JSON_NAME,
    TENSORS_NAME,
    _file_sha256,
    attributor_sha256,
    load_attributor,
    save_attributor,
)
from flipad_ops.common.errors import AttributorCorrupt, AttributorUncalibrated
from flipad_ops.generators import SplitGenerator
from tests.conftest import noise_images


@pytest.fixture(scope="module")
def saved(toy_fit: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_attributor(toy_fit.attributor, tmp_path_factory.mktemp("saved") / "new" / "folder")


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "attributor"))


def edit_json(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    fields = json.loads((folder / JSON_NAME).read_text())
    change(fields)
    (folder / JSON_NAME).write_text(json.dumps(fields))


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of someone who also knows how to keep the hash right."""
    tensors = load_file(folder / TENSORS_NAME)
    change(tensors)
    save_file(tensors, folder / TENSORS_NAME)
    edit_json(folder, lambda f: f.update(tensors_sha256=_file_sha256(folder / TENSORS_NAME)))


def test_round_trip_gives_equal_scores(
    toy_fit: FitResult, toy_split: SplitGenerator, saved: Path
) -> None:
    loaded = load_attributor(saved)
    images = torch.cat([toy_split.sample(5, seed=4), noise_images(5, seed=4)])
    before, after = toy_fit.attributor.score(images), loaded.score(images)
    assert np.array_equal(before.score, after.score)
    assert np.array_equal(before.p, after.p)
    assert np.array_equal(before.attributed, after.attributed)
    assert torch.equal(before.residual, after.residual)


def test_round_trip_keeps_every_part(toy_fit: FitResult, saved: Path) -> None:
    first, second = toy_fit.attributor, load_attributor(saved)
    assert second.settings == first.settings
    assert second.output_map == first.output_map
    assert second.sample_shape == first.sample_shape
    assert second.generator == first.generator
    assert second.evaluation == first.evaluation
    assert second.layer.sha256() == first.layer.sha256()
    assert second.calibration.threshold == first.calibration.threshold
    assert np.array_equal(second.calibration.own_scores, first.calibration.own_scores)
    assert list(second.calibration.null_scores) == ["noise", "sibling"]
    assert first.reference is not None
    assert second.reference is not None
    assert torch.equal(second.reference, first.reference)


def test_saving_again_gives_the_same_files(saved: Path, tmp_path: Path) -> None:
    again = save_attributor(load_attributor(saved), tmp_path)
    assert attributor_sha256(again) == attributor_sha256(saved)
    assert sorted(p.name for p in again.iterdir()) == [JSON_NAME, TENSORS_NAME]


def test_without_bias_or_reference(toy_fit: FitResult, tmp_path: Path) -> None:
    first = toy_fit.attributor
    layer = replace(first.layer, bias=None)
    generator = {**first.generator, "final_layer_sha256": layer.sha256()}
    plain = replace(first, layer=layer, generator=generator, reference=None)
    loaded = load_attributor(save_attributor(plain, tmp_path))
    assert loaded.layer.bias is None
    assert loaded.reference is None


@pytest.mark.parametrize("name", [JSON_NAME, TENSORS_NAME])
def test_hash_covers_both_files(folder: Path, name: str) -> None:
    before = attributor_sha256(folder)
    data = bytearray((folder / name).read_bytes())
    data[-3] ^= 1
    (folder / name).write_bytes(bytes(data))
    assert attributor_sha256(folder) != before


def test_altered_tensors(folder: Path) -> None:
    data = bytearray((folder / TENSORS_NAME).read_bytes())
    data[-3] ^= 1
    (folder / TENSORS_NAME).write_bytes(bytes(data))
    with pytest.raises(AttributorCorrupt, match="was altered after"):
        load_attributor(folder)


@pytest.mark.parametrize("name", [JSON_NAME, TENSORS_NAME])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(AttributorCorrupt, match=name):
        load_attributor(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(AttributorCorrupt, match="holds no attributor"):
        load_attributor(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(AttributorCorrupt, match="holds no attributor"):
        load_attributor(tmp_path / "file")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', '{"format": "1"}', "{}"])
def test_other_json(folder: Path, text: str) -> None:
    (folder / JSON_NAME).write_text(text)
    with pytest.raises(AttributorCorrupt):
        load_attributor(folder)


def test_json_that_is_no_text(folder: Path) -> None:
    (folder / JSON_NAME).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AttributorCorrupt, match="is not JSON"):
        load_attributor(folder)


@pytest.mark.parametrize("version", [0, 1, "2", None])
def test_unknown_format(folder: Path, version: object) -> None:
    edit_json(folder, lambda f: f.update(format=version))
    with pytest.raises(AttributorCorrupt, match=r"^Attributor format .* is none that this version"):
        load_attributor(folder)


FIELDS = ["layer", "output_map", "sample_shape", "pool", "threshold", "strata", "settings"]


@pytest.mark.parametrize("key", [*FIELDS, "generator", "evaluation", "tensors_sha256"])
def test_missing_field(folder: Path, key: str) -> None:
    edit_json(folder, lambda f: f.pop(key))
    with pytest.raises(AttributorCorrupt, match=f"lack '{key}'"):
        load_attributor(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (key, value)
        for key in [*FIELDS, "generator"]
        for value in (None, 7.5, "text", [1], {"a": 1})
        if (key, value) not in [("threshold", 7.5), ("pool", 7.5)]
    ],
    ids=str,
)
def test_field_of_another_kind(folder: Path, key: str, value: object) -> None:
    edit_json(folder, lambda f: f.update({key: value}))
    with pytest.raises(AttributorCorrupt) as caught:
        load_attributor(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["settings"].update(colour="red"),
        lambda f: f["settings"]["detector"].update(colour="red"),
        lambda f: f["settings"]["detector"].update(dim=9),
        lambda f: f["settings"]["inversion"].update(alpha=-1.0),
        lambda f: f["settings"].update(fnr=2.0),
        lambda f: f["output_map"].update(activation="relu"),
        lambda f: f["output_map"].update(low=1.0),
        lambda f: f["layer"].update(kind="conv3d"),
        lambda f: f["layer"].update(stride=[1, 1]),
        lambda f: f["generator"].update(final_layer_sha256="0" * 64),
        lambda f: f["strata"].append("unseen"),
    ],
)
def test_fields_that_do_not_fit_together(
    folder: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    edit_json(folder, change)
    with pytest.raises(AttributorCorrupt) as caught:
        load_attributor(folder)
    assert "\n" not in str(caught.value)


def test_every_tensor_is_needed(folder: Path, saved: Path) -> None:
    for name in load_file(saved / TENSORS_NAME):
        if name == "reference" or name.endswith("num_batches_tracked"):
            continue  # shown only; counted in training only
        shutil.copytree(saved, folder, dirs_exist_ok=True)
        edit_tensors(folder, lambda t, name=name: t.pop(name))  # type: ignore[misc]
        with pytest.raises(AttributorCorrupt):
            load_attributor(folder)


def test_anchor_of_another_shape(folder: Path) -> None:
    edit_tensors(folder, lambda t: t.update(anchor=t["anchor"][:1].clone()))
    with pytest.raises(AttributorCorrupt, match="anchor"):
        load_attributor(folder)


def test_reference_of_another_shape(folder: Path) -> None:
    edit_tensors(folder, lambda t: t.update(reference=t["reference"][:, :4].clone()))
    with pytest.raises(AttributorCorrupt, match="reference image"):
        load_attributor(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.update(strata=[]),
        lambda f: f.update(threshold=float("nan")),
        lambda f: f.update(threshold=float("inf")),
    ],
    ids=["no strata", "nan", "inf"],
)
def test_uncalibrated(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit_json(folder, change)
    with pytest.raises(AttributorUncalibrated):
        load_attributor(folder)


@pytest.mark.parametrize("null", [[], [1.0, float("nan")]], ids=["empty", "nan"])
def test_null_scores_without_use(folder: Path, null: list[float]) -> None:
    scores = torch.tensor(null, dtype=torch.float64)
    edit_tensors(folder, lambda t: t.update({"calibration.null.noise": scores}))
    with pytest.raises(AttributorUncalibrated, match="no finite foreign calibration scores"):
        load_attributor(folder)


def test_scores_that_numpy_guards_against_writing(toy_fit: FitResult, tmp_path: Path) -> None:
    calibration = toy_fit.attributor.calibration
    own = calibration.own_scores.copy()
    own.setflags(write=False)
    attributor = replace(toy_fit.attributor, calibration=replace(calibration, own_scores=own))
    assert np.array_equal(
        load_attributor(save_attributor(attributor, tmp_path)).calibration.own_scores, own
    )
