"""The spectral view of pixels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
import torch
from torch import Tensor

from flipad_ops.detection import auc, fit_spectral, has_spectrum
from flipad_ops.detection.bands import FLOOR, band_energies
from flipad_ops.detection.jpeg import dct_matrix


def noise(count: int, seed: int, smooth: bool, channels: int = 3) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    images = torch.rand(count, channels, 16, 24, generator=source)
    if smooth:
        images = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1)
    return images


def test_basis_is_scipys() -> None:
    x = np.random.default_rng(0).normal(size=8)
    ours = dct_matrix() @ torch.from_numpy(x)
    np.testing.assert_allclose(ours.numpy(), scipy.fft.dct(x, norm="ortho"), atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_energies_by_scipy(channels: int) -> None:
    images = noise(2, 1, smooth=False, channels=channels)
    planes = images.double().numpy() * 255
    if channels == 3:
        mean = planes.mean(axis=1, keepdims=True)
        planes = np.concatenate([mean, planes[:, :1] - mean, planes[:, 2:] - mean], axis=1)
    blocks = planes.reshape(2, channels, 2, 8, 3, 8).transpose(0, 1, 2, 4, 3, 5)
    bands = scipy.fft.dctn(blocks, axes=(4, 5), norm="ortho")
    expected = np.log((bands**2).mean(axis=(2, 3)) + FLOOR).reshape(2, -1)
    np.testing.assert_allclose(band_energies(images).numpy(), expected, rtol=1e-9)


def test_rows_beyond_whole_blocks_are_left_out() -> None:
    images = noise(2, 2, smooth=False)
    wider = torch.nn.functional.pad(images, (0, 5, 0, 3), value=0.7)
    assert torch.equal(band_energies(wider), band_energies(images))


def test_view_knows_its_own_spectrum_from_few_samples() -> None:
    view = fit_spectral(noise(60, 1, smooth=False))
    own, smooth = view(noise(60, 2, smooth=False)), view(noise(60, 3, smooth=True))
    assert auc(own.numpy(), smooth.numpy()) == 1.0
    assert view(torch.full((1, 3, 16, 24), 0.5)) > own.max()
    torch.testing.assert_close(view(noise(60, 2, smooth=False)[:1]), own[:1], rtol=1e-9, atol=0)


def test_what_has_a_spectrum() -> None:
    assert has_spectrum((3, 8, 8))
    assert not has_spectrum((3, 7, 64))
    assert not has_spectrum((30,))
