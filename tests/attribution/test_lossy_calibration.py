"""Images out of lossy files have a view, a threshold and a null of their own."""

from __future__ import annotations

import hashlib
import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from flipad_ops.attribution.augmentation import through_file
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import FitResult, fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.lossy_calibration import calibrate_lossy
from flipad_ops.attribution.serialisation import (
    JSON_NAME,
    TENSORS_NAME,
    load_attributor,
    save_attributor,
)
from flipad_ops.detection import Detector, Null
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry.scorers import from_folder
from flipad_ops.samples.png import encode_png, to_image, to_uint8
from flipad_ops.scanning.pipeline.lanes import RECOMPRESSED
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.attribution.splits import split_of
from tests.conftest import noise_images


@pytest.fixture(scope="module")
def fitted(toy_split: SplitGenerator, toy_settings: FitSettings) -> FitResult:
    foreign = {
        "noise": ForeignImages(noise_images(60, seed=1)),
        "version 2": ForeignImages(toy_split.sample(40, seed=5).flip(3), sibling=True),
    }
    settings = replace(toy_settings, own_train=200, recompressed=1.0)
    return fit_attributor(toy_split, foreign, settings)


def lossy(images: torch.Tensor, quality: int = 88) -> torch.Tensor:
    return through_file(images, "JPEG", (quality, quality), torch.Generator().manual_seed(0))


def test_lossy_files_are_told_by_pixels_alone(fitted: FitResult, toy_split: SplitGenerator) -> None:
    attributor = fitted.attributor
    own = lossy(toy_split.sample(40, seed=8))
    foreign = lossy(noise_images(40, seed=8))
    ours, theirs = attributor.score(own), attributor.score(foreign)
    assert ours.recompressed.mean() > 0.9
    assert not theirs.recompressed[~theirs.attributed].any()
    assert not ours.inverted[ours.recompressed].any()
    assert ours.attributed.mean() > 0.8
    assert theirs.attributed.mean() < 0.1
    assert not attributor.score(toy_split.sample(20, seed=9)).recompressed.any()


def test_p_is_that_among_recompressed_foreign_images(
    fitted: FitResult, toy_split: SplitGenerator
) -> None:
    calibration = fitted.attributor.calibration
    assert list(calibration.recompressed_null_scores) == ["noise", "version 2"]
    result = fitted.attributor.score(
        torch.cat([lossy(toy_split.sample(10, seed=8)), toy_split.sample(10, seed=9)])
    )
    among = {
        True: calibration.recompressed_null_scores,
        False: calibration.null_scores,
    }
    for row in range(20):
        null = among[bool(result.recompressed[row])]
        expected = Null(null, calibration.origins).p(result.score[row : row + 1])
        assert result.p[row] == expected[0]


def test_threshold_and_evaluation(fitted: FitResult) -> None:
    attributor = fitted.attributor
    figures = attributor.evaluation["recompressed"]
    assert set(figures["strata"]) == {"noise"}
    assert figures["tpr"]["value"] > 0.8
    assert attributor.detector.lossy is not None


def test_a_scan_says_what_such_a_finding_rests_on(
    fitted: FitResult, toy_split: SplitGenerator, tmp_path: Path
) -> None:
    scorer = from_folder(save_attributor(fitted.attributor, tmp_path / "attributor"), "cpu")
    assert {"noise", "noise, recompressed"} <= set(scorer.card.measured)
    found = tmp_path / "found"
    found.mkdir()
    for number, image in enumerate(toy_split.sample(8, seed=8)):
        to_image(to_uint8(image)).save(found / f"{number}.jpg", quality=88)
        (found / f"{number}.png").write_bytes(encode_png(image))
    shutil.copy(found / "0.jpg", found / "copy of 0.jpg")
    outcome = run_scan(ScanPlan([open_target(str(found))], workers=0, batch_size=6), [scorer])
    reasons = {f.row.key: f.row.reason for f in outcome.findings if f.row.attributed}
    assert any(key.endswith(".jpg") for key in reasons)
    for key, reason in reasons.items():
        assert reason == (RECOMPRESSED if key.endswith(".jpg") else "")
    assert reasons.get("copy of 0.jpg") == reasons.get("0.jpg")
    for finding in outcome.findings:
        if finding.row.reason:
            assert finding.why.endswith(RECOMPRESSED)


def test_without_copies_lossy_files_are_like_any_other(
    toy_split: SplitGenerator, toy_settings: FitSettings, toy_foreign: dict[str, ForeignImages]
) -> None:
    settings = replace(toy_settings, recompressed=0)
    attributor = fit_attributor(toy_split, toy_foreign, settings).attributor
    assert attributor.detector.lossy is None
    assert attributor.calibration.recompressed_null_scores == {}
    assert "recompressed" not in attributor.evaluation
    assert not attributor.score(lossy(toy_split.sample(6, seed=8))).recompressed.any()


def test_a_view_that_its_null_shows_lenient_is_tightened_or_dropped(
    fitted: FitResult, toy_split: SplitGenerator
) -> None:
    """Own images that pose as foreign ones stand for photographs that the view takes for own."""
    attributor = fitted.attributor
    own = toy_split.sample(100, seed=20)
    threshold = attributor.calibration.threshold

    def calibrated(posing: int) -> tuple[Detector, np.ndarray]:
        detector = deepcopy(attributor.detector)
        images = torch.cat([noise_images(200 - posing, seed=21), toy_split.sample(posing, seed=22)])
        split = split_of(images[:0], images, images[:0])
        null = calibrate_lossy(detector, own, {"photos": split}, attributor.settings, threshold)
        return detector, null.get("photos", np.empty(0))

    loose, few = calibrated(posing=2)
    tight, more = calibrated(posing=3)
    assert (few <= threshold).sum() <= 2
    # The third sets the threshold and lies a rounding above it.
    assert (more <= threshold * (1 - 1e-9)).sum() == 2
    assert tight.lossy_scale < loose.lossy_scale
    detector, none = calibrated(posing=150)
    assert detector.lossy is None
    assert not len(none)


def test_relatives_alone_give_no_such_view(
    toy_split: SplitGenerator, toy_settings: FitSettings
) -> None:
    sibling = ForeignImages(toy_split.sample(60, seed=5).flip(3), sibling=True)
    attributor = fit_attributor(toy_split, {"version 2": sibling}, toy_settings).attributor
    assert attributor.detector.lossy is None
    result = attributor.score(lossy(toy_split.sample(6, seed=8)))
    assert np.isfinite(result.p).all()


def test_format_3_has_no_such_view_and_still_loads(
    fitted: FitResult, toy_split: SplitGenerator, tmp_path: Path
) -> None:
    save_attributor(fitted.attributor, tmp_path)
    tensors = load_file(tmp_path / TENSORS_NAME)
    kept = {n: t for n, t in tensors.items() if "lossy" not in n and ".recompressed." not in n}
    save_file(kept, tmp_path / TENSORS_NAME)
    fields = json.loads((tmp_path / JSON_NAME).read_text())
    fields["format"] = 3
    del fields["recompressed_strata"], fields["settings"]["recompressed"]
    fields["tensors_sha256"] = hashlib.sha256((tmp_path / TENSORS_NAME).read_bytes()).hexdigest()
    (tmp_path / JSON_NAME).write_text(json.dumps(fields))
    old = load_attributor(tmp_path)
    assert old.settings.recompressed == 0
    images = toy_split.sample(8, seed=9)
    assert np.array_equal(old.score(images).score, fitted.attributor.score(images).score)
