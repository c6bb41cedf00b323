"""When a demo worked, and what it prints; a scorer that takes dark images for its own decides."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from flipad_ops.demo import material
from flipad_ops.demo.main_job import DemoResult, count_by_kind
from flipad_ops.demo.material import KINDS
from flipad_ops.demo.verdict import write_verdict
from flipad_ops.samples.png import save_png
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs

OWN = dict.fromkeys(material.OWN, 10)
FOREIGN = {kind: 0 for kind in KINDS if kind not in OWN}


def _result(folder: Path, dark: dict[str, int], of: int = 10) -> DemoResult:
    """`of` images of each kind, the first `dark[kind]` of them dark."""
    for kind in KINDS:
        for index in range(of):
            shade = 0.1 if index < dark[kind] else 0.8
            image = torch.full((3, 8, 8), shade + index / 1000)
            save_png(image, folder / "found" / kind / f"{index:03d}.png")
    request = ScanPlan(targets=[open_target(str(folder / "found"))], fdr=0.05)
    return count_by_kind(run_scan(request, [DarkIsOurs()]), None)


def test_attributed_images_are_counted_by_sub_folder(tmp_path: Path) -> None:
    dark = {**OWN, **FOREIGN, "other-faces": 1}
    result = _result(tmp_path, dark)
    assert result.counts == dict.fromkeys(KINDS, 10)
    assert result.attributed == dark
    assert result.leaks == result.attributed
    assert result.worked


@pytest.mark.parametrize(
    "changed", [{"own-png": 6}, {"own-jpeg": 6}, {"other-faces": 3}, {"photographs": 3}], ids=str
)
def test_a_demo_that_mixes_them_up_did_not_work(tmp_path: Path, changed: dict[str, int]) -> None:
    assert not _result(tmp_path, {**OWN, **FOREIGN, **changed}).worked


def test_an_unread_image_means_it_did_not_work(tmp_path: Path) -> None:
    broken = tmp_path / "found" / "own-png" / "broken.png"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert not _result(tmp_path, {**OWN, **FOREIGN}).worked


def test_the_verdict_states_found_and_truth_and_what_to_type_next(tmp_path: Path) -> None:
    result = _result(tmp_path, {**OWN, **FOREIGN, "other-faces": 1})
    stream = io.StringIO()
    write_verdict(result, Path("some-folder"), 12.3, stream)
    text = stream.getvalue()
    rows = {line.split()[0]: line.split()[-4:] for line in text.splitlines() if "found/" in line}
    assert rows["found/own-resized"] == ["10", "10", "10", "all"]
    assert rows["found/other-faces"] == ["10", "1", "1", "none"]
    assert rows["found/photographs"] == ["10", "0", "0", "none"]
    assert "LEAK: 31 of 50 images attributed, 31 of them leaks at a false " in text
    assert "discovery rate of 0.05. 12 seconds in all" in text
    assert "  cd some-folder\n" in text
    assert "flipadops scan found --model faces/1 --size-rule reject --fdr 0.05 " in text
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in text
