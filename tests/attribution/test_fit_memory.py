"""A fit's memory does not grow with its activations, measured in processes of their own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from flipad_ops.attribution import activation_file
from flipad_ops.attribution.activation_file import ActivationFile
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.own_samples import OwnSamples
from flipad_ops.common.errors import UsageError
from flipad_ops.detection import DeepSadSettings
from flipad_ops.generators import FinalLayer, split_generator
from flipad_ops.inversion import InversionResult

ROOT = Path(__file__).parents[2]
FEW, MANY, CHANNELS, SIDE = 40, 140, 128, 64


class Instant:
    """Activations of the right size without any solving, which is not what takes the memory."""

    def __init__(self, layer: FinalLayer, *_: object) -> None:
        self.layer, self.activation_shape = layer, layer.input_shape

    def invert(self, pixels: Tensor, step: float | Tensor = 1 / 255) -> InversionResult:
        weights = torch.linspace(-1, 1, CHANNELS)[:, None, None]
        none = torch.zeros(len(pixels), dtype=torch.float64)
        z = weights * pixels.mean(dim=1, keepdim=True).repeat(1, 1, 2, 2)
        return InversionResult(z, none.long(), none, none, none == 0, torch.zeros_like(pixels))


def fit(own: int) -> int:
    """Peak memory of a fit with so many own training samples, whose activations have 2 MiB."""
    torch.set_num_threads(1)
    module = nn.Sequential(
        nn.Linear(4, CHANNELS * 64), nn.Unflatten(1, (CHANNELS, 8, 8)), nn.ReLU(),
        nn.Upsample(scale_factor=SIDE // 8), nn.Conv2d(CHANNELS, 3, 1, stride=2), nn.Tanh(),
    )  # fmt: skip
    settings = FitSettings(
        detector=DeepSadSettings(dim=8, epochs=1),
        own_train=own, own_calibration=8, own_test=4, anchor_samples=4, channels=2,
        second_moments=False, widened=0, near_misses=0, students=0, student_steps=1,
        recompressed=0, min_negatives=24, more_null=0,
    )  # fmt: skip
    noise = {"noise": ForeignImages(torch.rand(24, 3, SIDE // 2, SIDE // 2))}
    generator = split_generator(module, {"latent": {"shape": [4]}})
    images = torch.rand(own + 12, 3, SIDE // 2, SIDE // 2)
    drawn = OwnSamples(images, own, 8)
    fit_attributor(generator, noise, settings, own=drawn, make_inverter=Instant)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_memory_is_bounded_by_images_and_features_not_by_activations() -> None:
    peaks = {}
    for own in (FEW, MANY):
        done = subprocess.run(
            [sys.executable, "-m", "tests.attribution.test_fit_memory", str(own)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks[own] = int(done.stdout)
    activations = (MANY - FEW) * 4 * CHANNELS * SIDE**2
    assert peaks[MANY] - peaks[FEW] < activations / 4


def test_what_is_written_is_read_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    for held in (2**20, 50):  # in memory, and on disk from the second one on
        monkeypatch.setattr(activation_file, "HELD", held)
        file = ActivationFile(7, (3, 2, 2))
        for part in values.split(3):
            file.append(part)
        rows = torch.tensor([5, 0, 6, 6])
        assert torch.equal(file[rows], values[rows])
        assert file.shape == (7, 3, 2, 2)


def test_a_folder_without_room_is_told_before_anything_is_inverted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(activation_file.shutil, "disk_usage", lambda _: usage(0, 0, 2**30))
    with pytest.raises(UsageError, match=r"take 39\.1 GiB and .* has only 1\.0 GiB left: let TMPD"):
        ActivationFile(5000, (128, 128, 128))
    ActivationFile(4, (128, 128, 128))


if __name__ == "__main__":
    sys.stdout.write(str(fit(int(sys.argv[1]))))
