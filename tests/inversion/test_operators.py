"""Operators: adjointness, norms, and the torus form against torch's own layers."""

from __future__ import annotations

import pytest
import torch

from flipad_ops.common.errors import UsageError
from flipad_ops.inversion.operators import LayerOperator, squared_norm
from flipad_ops.inversion.operators.polyphase import block_operator
from flipad_ops.inversion.operators.spectrum import Spectrum
from flipad_ops.inversion.operators.sums import SumOperator
from tests.inversion.layers import CASES, case


@pytest.mark.parametrize("name", CASES)
def test_adjoint(name: str) -> None:
    operator = LayerOperator(case(name))
    z = torch.randn(2, *operator.input_shape, dtype=torch.float64)
    u = torch.randn(2, *operator.output_shape, dtype=torch.float64)
    left = (operator.apply(z) * u).sum()
    right = (z * operator.adjoint(u)).sum()
    torch.testing.assert_close(left, right)


@pytest.mark.parametrize("name", CASES)
def test_torus_form_equals_layer(name: str) -> None:
    layer = case(name)
    direct, torus = LayerOperator(layer), block_operator(layer)
    z = torch.randn(2, *layer.input_shape)
    packed = torus.pack_input(z)
    torch.testing.assert_close(torus.unpack_output(torus.apply(packed)), direct.apply(z))
    torch.testing.assert_close(torus.unpack_input(packed), z)
    u = torch.randn(2, *layer.output_shape)
    back = torus.unpack_input(torus.adjoint(torus.pack_output(u, 0.0)))
    torch.testing.assert_close(back, direct.adjoint(u))


@pytest.mark.parametrize("name", CASES)
def test_inverse_of_shifted_gram(name: str) -> None:
    torus = block_operator(case(name))
    spectrum = Spectrum(torus)
    u = torch.randn(2, *torus.outputs.torus, torus.outputs.width)
    shifted = u + 3.0 * torus.apply(torus.adjoint(u))
    torch.testing.assert_close(spectrum.inverse(3.0)(shifted), u, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["dcgan", "strided", "linear"])
def test_norm_bounds_explicit_matrix(name: str) -> None:
    operator = LayerOperator(case(name))
    basis = torch.eye(torch.Size(operator.input_shape).numel(), dtype=torch.float64)
    matrix = operator.apply(basis.reshape(-1, *operator.input_shape)).flatten(1)
    exact = float(torch.linalg.matrix_norm(matrix, 2)) ** 2
    assert 0.999 * exact <= squared_norm(operator) <= 1.02 * exact


def test_sum_of_blocks() -> None:
    first, second = LayerOperator(case("dcgan")), LayerOperator(case("dcgan"))
    total = SumOperator([first, second])
    z = torch.randn(2, *total.input_shape, dtype=torch.float64)
    parts = total.split(z)
    torch.testing.assert_close(total.join(parts), z)
    torch.testing.assert_close(total.apply(z), first.apply(parts[0]) + second.apply(parts[1]))
    u = torch.randn(2, *total.output_shape, dtype=torch.float64)
    torch.testing.assert_close((total.apply(z) * u).sum(), (z * total.adjoint(u)).sum())
    with pytest.raises(UsageError):
        SumOperator([first, LayerOperator(case("same"))])
