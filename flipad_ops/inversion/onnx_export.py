"""The inversion, and a detector behind it, as one ONNX graph.

What is exported is the fast solver (`solvers.splitting`) with a fixed number of iterations in
an ONNX `Loop`: early stopping would make the graph's cost depend on the batch, and ONNX has no
gap to report. The per-frequency solve is written with real DFT matrices, because complex
products have no ONNX operator; on the small tori of final layers that is no slower than an FFT.
Penalties are chosen per image from its ridge solution and not rebalanced.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flipad_ops.common.errors import UsageError
from flipad_ops.inversion.inverter import FinalLayerInverter
from flipad_ops.inversion.solvers.splitting import RELAXATION, Splitting

#: Enough for a relative gap of about 2e-2 on the face DCGAN (benchmarks/results/inversion.md).
ITERATIONS = 100
OPSET = 18


class RealInverse(nn.Module):
    """(I + r W W^T)^-1 by real matrix products; (batch, *torus, width) to the same."""

    def __init__(self, matrices: Tensor, torus: tuple[int, int], pointwise: bool) -> None:
        super().__init__()
        self.pointwise = pointwise
        if pointwise:
            self.register_buffer("real", matrices[:, : matrices.shape[0]].contiguous())
            return
        rows, columns = torus
        half = columns // 2 + 1
        size = matrices.shape[-1]
        down = torch.arange(rows, dtype=torch.float64)
        angle = 2 * math.pi * down[:, None] * down[None] / rows
        across = torch.arange(columns, dtype=torch.float64)
        wave = 2 * math.pi * across[:, None] * torch.arange(half, dtype=torch.float64) / columns
        # Frequencies without a mirror image count once, all others twice.
        weight = torch.full((half,), 2.0, dtype=torch.float64)
        weight[0] = 1.0
        if columns % 2 == 0:
            weight[-1] = 1.0
        weight = weight / (rows * columns)
        tables = {
            "cos_rows": angle.cos(), "sin_rows": angle.sin(),
            "cos_columns": wave.cos(), "sin_columns": wave.sin(),
            "cos_back": (wave.cos() * weight).T, "sin_back": (wave.sin() * weight).T,
        }  # fmt: skip
        for name, table in tables.items():
            self.register_buffer(name, table.float())
        shaped = matrices.reshape(rows, half, size, size).mT
        self.register_buffer("real", shaped.real.contiguous())
        self.register_buffer("imag", shaped.imag.contiguous())

    def forward(self, blocks: Tensor) -> Tensor:
        """Solve for a batch of packed outputs."""
        get = self.get_buffer
        if self.pointwise:
            return blocks @ get("real")
        x = blocks.permute(0, 3, 1, 2)
        a, b = x @ get("cos_columns"), -(x @ get("sin_columns"))
        cos, sin = get("cos_rows"), get("sin_rows")
        real, imag = cos @ a + sin @ b, cos @ b - sin @ a
        real, imag = real.permute(2, 3, 0, 1), imag.permute(2, 3, 0, 1)
        matrix_r, matrix_i = get("real"), get("imag")
        solved_r = (real @ matrix_r - imag @ matrix_i).permute(2, 3, 0, 1)
        solved_i = (real @ matrix_i + imag @ matrix_r).permute(2, 3, 0, 1)
        a, b = cos @ solved_r - sin @ solved_i, cos @ solved_i + sin @ solved_r
        out = a @ get("cos_back") - b @ get("sin_back")
        return out.permute(0, 2, 3, 1)


class InversionGraph(nn.Module):
    """Pixels to z, or to detector(z), with a fixed number of iterations.

    Parameters
    ----------
    inverter : FinalLayerInverter
        With the fast solver.
    detector : nn.Module or None
        Applied to z (batch, *input_shape).
    step : float
        One grey level in pixel units.
    loop : bool
        As an ONNX Loop; False unrolls in Python, which is the reference for the parity.
    """

    def __init__(
        self, inverter: FinalLayerInverter, detector: nn.Module | None = None,
        iterations: int = ITERATIONS, step: float = 1 / 255, loop: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        solver = inverter.solver
        if not isinstance(solver, Splitting):
            raise UsageError("Only layers with the fast solver can be exported to ONNX.")
        if inverter.settings.nonnegative:
            raise UsageError("A non-negative inversion cannot be exported to ONNX.")
        self.inverter, self.detector = [inverter], detector
        self.operator, self.r, self.scale = solver.operator, solver.r, solver.scale
        _ = self.operator.padded  # cached now: its first access takes a lock, which cannot trace
        self.iterations, self.step, self.loop = iterations, step, loop
        self.alpha = inverter.settings.alpha
        matrices = solver.inverse.matrices
        self.inverse = RealInverse(matrices, solver.inverse.torus, solver.inverse.pointwise)
        self.register_buffer("anchor", inverter.anchor)
        support = self.operator.pack_input(torch.ones(1, *self.operator.input_shape))
        self.register_buffer("bound", torch.where(support > 0, self.alpha, 1e30))

    def forward(self, pixels: Tensor) -> Tensor:
        """(batch, *output_shape) in [0, 1] to z or to the detector's output."""
        inverter, operator = self.inverter[0], self.operator
        # In float32, as onnxruntime has no float64 atanh.
        if inverter.settings.data_term == "point" or self.step == 0:
            lower = upper = inverter.output_map.point_target(pixels)
        else:
            lower, upper = inverter.output_map.interval_target(pixels, self.step)
        # Finite, because a graph computes inf * 0 and inf - inf where torch.where hides them.
        lower = lower.clamp(min=-1e30) - inverter.offset
        upper = upper.clamp(max=1e30) - inverter.offset
        lower, upper = operator.pack_output(lower, -1e30), operator.pack_output(upper, 1e30)
        pull = torch.zeros_like(lower) - torch.zeros_like(lower).clamp(lower, upper)
        ridge = self.r * operator.adjoint(self.inverse(pull))
        size = ridge.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        mu = torch.where(size > 0, self.scale * size, torch.ones_like(size)) / self.alpha
        lower, upper, fraction = lower / mu, upper / mu, mu / (self.r + mu)
        state = (torch.zeros_like(ridge), torch.zeros_like(lower))
        if self.loop:
            state = self._loop(state, (lower, upper, fraction))
        else:
            for _ in range(self.iterations):
                state = self._step(*state, lower, upper, fraction)
        bound = self.get_buffer("bound")
        d = mu * (state[0] - state[0].clamp(-bound, bound))
        z = self.get_buffer("anchor") + operator.unpack_input(d)
        return z if self.detector is None else self.detector(z)

    def _step(
        self, d: Tensor, u: Tensor, lower: Tensor, upper: Tensor, fraction: Tensor
    ) -> tuple[Tensor, Tensor]:
        bound = self.get_buffer("bound")
        clipped = torch.minimum(torch.maximum(d, -bound), bound)
        pull = fraction * (u - torch.minimum(torch.maximum(u, lower), upper))
        w = self.inverse(u - 2 * pull - self.operator.apply(d - 2 * clipped))
        d = d + RELAXATION * (self.r * self.operator.adjoint(w) - clipped)
        return d, u - RELAXATION * (pull + w)

    def _loop(
        self, state: tuple[Tensor, Tensor], constants: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        from torch._higher_order_ops import while_loop as untyped

        while_loop: Any = untyped

        def unfinished(i: Tensor, *_: Tensor) -> Tensor:
            return i < self.iterations

        def body(
            i: Tensor, d: Tensor, u: Tensor, lo: Tensor, up: Tensor, fraction: Tensor
        ) -> tuple[Tensor, ...]:
            d, u = self._step(d, u, lo, up, fraction)
            return i + 1, d, u, lo.clone(), up.clone(), fraction.clone()

        start = torch.tensor(0)
        _, d, u, *_ = while_loop(unfinished, body, (start, *state, *constants))
        return d, u


def export_onnx(
    inverter: FinalLayerInverter, path: str | Path, detector: nn.Module | None = None,
    iterations: int = ITERATIONS, step: float = 1 / 255,
) -> Path:  # fmt: skip
    """Write the graph; input "pixels" and output "out" have a dynamic batch.

    Parameters
    ----------
    detector : nn.Module or None
        In eval mode; without one the output is z.
    """
    graph = InversionGraph(inverter, detector, iterations, step).eval()
    example = torch.full((2, *inverter.layer.output_shape), 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export warns of its own deprecations
        program: Any = torch.onnx.export(
            graph, (example,), input_names=["pixels"], output_names=["out"], dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1024)},),
            opset_version=OPSET, verbose=False,
        )  # fmt: skip
    program.save(str(path))
    return Path(path)


def run_onnx(
    path: str | Path, pixels: Tensor, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> tuple[Tensor, str]:
    """Run an exported graph; returns its output and the provider actually in use.

    onnxruntime falls back to the CPU in silence when CUDA cannot be initialised, so the
    session is asked.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    (out,) = session.run(None, {"pixels": pixels.numpy()})
    return torch.from_numpy(out), str(session.get_providers()[0])
