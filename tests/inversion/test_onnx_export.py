"""The exported graph: parity with torch, dynamic batch, a detector behind the inversion."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from flipad_ops.common.errors import UsageError
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from flipad_ops.inversion.onnx_export import InversionGraph, RealInverse, export_onnx, run_onnx
from flipad_ops.inversion.solvers import Splitting
from tests.inversion.layers import CASES, TANH, case, images


def inverter(name: str, **options: object) -> FinalLayerInverter:
    layer = case(name)
    settings = InversionSettings.from_dict(options)
    return FinalLayerInverter(layer, TANH, torch.zeros(layer.input_shape), settings)


@pytest.mark.parametrize("name", CASES)
def test_real_inverse_equals_the_fft(name: str) -> None:
    solver = inverter(name, solver="fast").solver
    assert isinstance(solver, Splitting)
    inverse = solver.inverse
    real = RealInverse(inverse.matrices, inverse.torus, inverse.pointwise)
    u = torch.randn(5, *inverse.torus, solver.operator.outputs.width)
    torch.testing.assert_close(real(u), inverse(u), atol=1e-5, rtol=1e-4)


def test_graph_converges_to_the_engine() -> None:
    subject = inverter("dcgan", tolerance=1e-5, max_iterations=5000)
    pixels = images(subject.layer, 3).pixels
    result = subject.invert(pixels)
    z = InversionGraph(subject, iterations=1000, loop=False)(pixels)
    assert float((z - result.z).norm() / result.z.norm()) < 1e-2


@pytest.mark.slow
def test_export_with_a_detector(tmp_path: Path) -> None:
    subject = inverter("dcgan")
    detector = nn.Sequential(nn.Conv2d(8, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    path = export_onnx(subject, tmp_path / "graph.onnx", detector, iterations=30)
    reference = InversionGraph(subject, detector, iterations=30, loop=False)
    for count in (1, 3):
        pixels = images(subject.layer, count).pixels
        out, provider = run_onnx(path, pixels)
        assert provider == "CPUExecutionProvider"
        with torch.no_grad():
            torch.testing.assert_close(out, reference(pixels), atol=1e-4, rtol=1e-4)


def test_what_cannot_be_exported() -> None:
    with pytest.raises(UsageError, match="fast"):
        InversionGraph(inverter("dcgan", solver="fista"))
    with pytest.raises(UsageError, match="non-negative"):
        InversionGraph(inverter("dcgan", nonnegative=True))
