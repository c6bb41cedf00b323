"""When a demo worked, and what it prints; a scorer that takes dark images for its own decides."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch

from flipad_ops.demo.main_job import DemoPlan, DemoResult, count_by_kind
from flipad_ops.demo.material import KINDS
from flipad_ops.demo.verdict import write_verdict
from flipad_ops.samples.png import save_png
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from tests.scanning.fakes import DarkIsOurs


def _result(folder: Path, dark: dict[str, int], of: int = 10) -> DemoResult:
    """`of` images of each kind, the first `dark[kind]` of them dark."""
    for kind in KINDS:
        for index in range(of):
            shade = 0.1 if index < dark[kind] else 0.8
            image = torch.full((3, 8, 8), shade + index / 1000)
            save_png(image, folder / "found" / kind / f"{index:03d}.png")
    request = ScanPlan(targets=[open_target(str(folder / "found"))], fdr=0.05)
    return count_by_kind(run_scan(request, [DarkIsOurs()]), ())


def test_attributed_images_are_counted_by_sub_folder(tmp_path: Path) -> None:
    result = _result(tmp_path, {"own": 10, "sibling": 1, "real": 0})
    assert result.counts == {"own": 10, "sibling": 10, "real": 10}
    assert result.attributed == {"own": 10, "sibling": 1, "real": 0}
    assert result.leaks == result.attributed
    assert result.worked


@pytest.mark.parametrize(
    "dark",
    [
        {"own": 8, "sibling": 0, "real": 0},
        {"own": 10, "sibling": 2, "real": 0},
        {"own": 10, "sibling": 0, "real": 2},
    ],
)
def test_a_demo_that_mixes_them_up_did_not_work(tmp_path: Path, dark: dict[str, int]) -> None:
    assert not _result(tmp_path, dark).worked


def test_an_unread_image_means_it_did_not_work(tmp_path: Path) -> None:
    broken = tmp_path / "found" / "own" / "broken.png"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert not _result(tmp_path, {"own": 10, "sibling": 0, "real": 0}).worked


def test_the_verdict_states_found_and_truth_and_what_to_type_next(tmp_path: Path) -> None:
    result = _result(tmp_path, {"own": 10, "sibling": 1, "real": 0})
    stream = io.StringIO()
    write_verdict(result, Path("some-folder"), 12.3, stream)
    text = stream.getvalue()
    rows = {line.split()[0]: line.split()[-4:] for line in text.splitlines() if "found/" in line}
    assert rows["found/own"] == ["10", "10", "10", "all"]
    assert rows["found/sibling"] == ["10", "1", "1", "none"]
    assert rows["found/real"] == ["10", "0", "0", "none"]
    assert "LEAK: 11 of 30 images, at a false discovery rate of 0.05. 12 seconds" in text
    assert "  cd some-folder\n" in text
    assert "flipadops scan found --model demo-patches/1 --fdr 0.05 " in text
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in text


def test_a_small_plan_keeps_what_the_user_chose() -> None:
    plan = DemoPlan(steps=7, scanned=11, seed=3)
    small = plan.smaller()
    assert (small.steps, small.scanned, small.seed, small.fdr) == (7, 11, 3, plan.fdr)
    assert small.settings.own_train < plan.settings.own_train
    # Enough calibration images that the smallest p-value can pass the scan's FDR.
    assert 3 * 4 / small.settings.max_negatives * 2 <= small.fdr
