"""Joint inversion of y = W z + U s + b: what theory says is unique is recovered."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from flipad_ops.attribution.fit_inverter import build_inverter
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.common.errors import UsageError
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap, quantise
from flipad_ops.generators.skip import STYLEGAN2, WAYS, Way
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from flipad_ops.inversion.joint import SkipInverter, SkipOperator
from flipad_ops.inversion.operators.operator import LinearOperator
from tests.inversion.layers import layer_of

#: Wide enough for no pixel to be cut off.
WIDE = OutputMap("identity", -8.0, 8.0)
ALPHA = 0.05
SIZE, SMALL = 12, 6


def skipping(module: nn.Module, channels: int = 8, way: Way = STYLEGAN2) -> FinalLayer:
    layer = layer_of(module, (channels, SIZE, SIZE))
    block = way.block(3, (SMALL, SMALL))
    return replace(layer, skip=block, input_shape=(channels + 3, SIZE, SIZE))


def module(kernel: int, channels: int = 8) -> nn.Conv2d:
    """Columns of unit norm, as the split of a modulated layer makes them."""
    torch.manual_seed(kernel)
    made = nn.Conv2d(channels, 3, kernel, padding=kernel // 2).requires_grad_(False)
    made.weight /= made.weight.square().sum(dim=(0, 2, 3), keepdim=True).sqrt()
    return made


def matrix(operator: LinearOperator) -> Tensor:
    """Dense, (outputs, inputs) float64."""
    entries = torch.Size(operator.input_shape).numel()
    return operator.apply(torch.eye(entries, dtype=torch.float64)).flatten(1).T


def certified(dense: Tensor, seed: int, of_z: int = 12, of_s: int = 3) -> tuple[Tensor, Tensor]:
    """A sparse d and the target y = A d + v for which d is the only lasso solution.

    Fuchs (2004): with support S and signs e, v = alpha A_S (A_S^T A_S)^-1 e certifies d where A_S
    has full rank and every other column's product with v stays below alpha. The support grows in
    random order by the entries that keep this true, `of_s` of the skip image and `of_z` of z.
    """
    source = torch.Generator().manual_seed(seed)
    entries, inside = dense.shape[1], 8 * SIZE * SIZE
    signs = torch.randn(entries, generator=source, dtype=torch.float64).sign()
    orders = (inside + torch.randperm(entries - inside, generator=source),
              torch.randperm(inside, generator=source))  # fmt: skip
    support: list[int] = []
    for order, wanted in zip(orders, (of_s, of_s + of_z), strict=True):
        for entry in order[:200].tolist():
            if len(support) < wanted and certificate(dense, [*support, entry], signs) is not None:
                support.append(entry)
        assert len(support) == wanted
    v = certificate(dense, support, signs)
    assert v is not None
    size = 0.5 + torch.rand(entries, generator=source, dtype=torch.float64)
    d = torch.zeros(entries, dtype=torch.float64)
    d[support] = (signs * size)[support]
    return d, dense @ d + v


def certificate(dense: Tensor, support: list[int], signs: Tensor) -> Tensor | None:
    columns = dense[:, support]
    gram = columns.T @ columns
    if float(torch.linalg.eigvalsh(gram).min()) < 1e-2:
        return None
    v = ALPHA * columns @ torch.linalg.solve(gram, signs[support])
    others = (dense.T @ v).abs()
    others[support] = 0.0
    return v if float(others.max()) < 0.95 * ALPHA else None


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[1], WAYS[2]], ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_recovers_z_and_s_where_they_are_unique(kernel: int, way: Way, seed: int) -> None:
    layer = skipping(module(kernel), way=way)
    settings = InversionSettings(
        alpha=ALPHA, data_term="point", tolerance=1e-4, max_iterations=20_000
    )
    inverter = SkipInverter(layer, WIDE, torch.zeros(layer.input_shape), settings)
    d, target = certified(matrix(inverter.operator), seed)
    true_z, true_s = inverter.operator.split(d[None])  # type: ignore[attr-defined]
    assert layer.bias is not None
    image = target.reshape(1, 3, SIZE, SIZE) + layer.bias[:, None, None]
    result = inverter.invert((image.float() + 8) / 16, step=0)
    assert layer.skip is not None
    z, s = layer.skip.split(result.z)
    assert bool(result.converged.all())
    assert float((z - true_z).norm() / true_z.norm()) < 1e-2
    assert float((s - true_s).norm() / true_s.norm()) < 1e-2


def test_ignoring_the_skip_image_loses_z() -> None:
    """The ablation of the benchmark: without U, W alone has to explain the skip image."""
    layer = skipping(module(3))
    settings = InversionSettings(
        alpha=ALPHA, data_term="point", tolerance=1e-4, max_iterations=20_000
    )
    joint = SkipInverter(layer, WIDE, torch.zeros(layer.input_shape), settings)
    d, target = certified(matrix(joint.operator), 0)
    true_z, _ = joint.operator.split(d[None])  # type: ignore[attr-defined]
    alone = layer.alone()
    assert alone.bias is not None
    image = target.reshape(1, 3, SIZE, SIZE) + alone.bias[:, None, None]
    plain = FinalLayerInverter(alone, WIDE, torch.zeros(alone.input_shape), settings)
    z = plain.invert((image.float() + 8) / 16, step=0).z
    assert float((z - true_z).norm() / true_z.norm()) > 0.3


def test_images_of_a_file_are_explained() -> None:
    """8-bit images: the certified solution reproduces them to a grey level."""
    layer = skipping(module(1))
    source = torch.Generator().manual_seed(3)
    joint = 0.3 * torch.randn(4, *layer.input_shape, generator=source)
    output_map = OutputMap("identity", -1.0, 1.0)
    pixels = quantise(output_map.to_pixels(layer(joint)))
    settings = FitSettings(
        inversion=InversionSettings(alpha=1e-3, tolerance=2e-2, max_iterations=8000)
    )
    inverter = build_inverter(layer, output_map, torch.zeros(layer.input_shape), settings, "cpu")
    assert isinstance(inverter, SkipInverter)
    result = inverter.invert(pixels)
    assert bool(result.converged.all())
    assert result.z.shape == joint.shape
    inside = (pixels > 0.01) & (pixels < 0.99)
    again = output_map.to_pixels(layer(result.z))
    assert float((again - pixels)[inside].abs().max()) < 1.5 / 255


def test_a_score_does_not_depend_on_the_batch() -> None:
    layer = skipping(module(1))
    pixels = quantise(torch.rand(5, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)))
    settings = InversionSettings(tolerance=5e-2)
    inverter = SkipInverter(
        layer, OutputMap("identity", -1.0, 1.0), torch.zeros(layer.input_shape), settings
    )
    together = inverter.invert(pixels)
    alone = torch.cat([inverter.invert(image[None]).z for image in pixels])
    torch.testing.assert_close(alone, together.z, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_adjoint(way: Way) -> None:
    operator = SkipOperator(way.block(2, (5, 4)))
    source = torch.Generator().manual_seed(0)
    s = torch.randn(3, 2, 5, 4, generator=source, dtype=torch.float64)
    u = torch.randn(3, 2, 10, 8, generator=source, dtype=torch.float64)
    forth, back = (operator.apply(s) * u).sum(), (s * operator.adjoint(u)).sum()
    torch.testing.assert_close(forth, back)


def test_misuse() -> None:
    layer = skipping(module(1))
    anchor = torch.zeros(layer.input_shape)
    with pytest.raises(UsageError, match="no skip image"):
        SkipInverter(layer.alone(), WIDE, anchor[:8])
    for settings in (InversionSettings(solver="fast"), InversionSettings(nonnegative=True)):
        with pytest.raises(UsageError):
            SkipInverter(layer, WIDE, anchor, settings)
