"""Peak memory of the fast solver against its formula, each in its own process.

python -m benchmarks.inversion_parts.memory NAME COUNT     # prints one JSON object
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from flipad_ops.generators.layer import FinalLayer
from flipad_ops.inversion.operators import LayerOperator
from flipad_ops.inversion.solvers import Problem, Splitting, Stop, make_solver
from flipad_ops.inversion.terms import L1, Box

#: Kind, weight shape, input shape, output shape, stride, padding.
LAYERS: dict[str, tuple[Any, ...]] = {
    "transposed 64->3 at 64x64": (
        "conv_transpose2d", (64, 3, 4, 4), (64, 32, 32), (3, 64, 64), (2, 2), (1, 1)),
    "conv 1x1 64->3 at 64x64": (
        "conv2d", (3, 64, 1, 1), (64, 64, 64), (3, 64, 64), (1, 1), (0, 0)),
    "SD decoder's 128 window and margin": (
        "conv2d", (3, 128, 3, 3), (128, 160, 160), (3, 160, 160), (1, 1), (1, 1)),
    "SD decoder whole, 512x512x128": (
        "conv2d", (3, 128, 3, 3), (128, 512, 512), (3, 512, 512), (1, 1), (1, 1)),
}  # fmt: skip
ITERATIONS = 20


def layer(name: str) -> FinalLayer:
    """The named layer with random weights."""
    kind, weight, inputs, outputs, stride, padding = LAYERS[name]
    values = torch.randn(weight, generator=torch.Generator().manual_seed(0)) / 10
    return FinalLayer(kind, values, None, inputs, outputs, stride=stride, padding=padding)


def measure(name: str, count: int) -> dict[str, Any]:
    """Bytes that this process grows by while solving `count` images for ITERATIONS."""
    chosen = layer(name)
    solver = make_solver(chosen, LayerOperator(chosen), "fast")
    assert isinstance(solver, Splitting)
    y = torch.randn(count, *chosen.output_shape, generator=torch.Generator().manual_seed(1))
    problem = Problem(Box(y - 0.01, y + 0.01), L1(torch.tensor(1e-2)))
    _load_libraries(name)
    before, code = _status("VmRSS"), _status("RssFile")
    begin = time.process_time()
    solver.solve(problem, Stop(0.0, ITERATIONS, 10))
    seconds = time.process_time() - begin
    # Pages of libraries that this case is the first to run are no memory of the solver's.
    paged_in = _status("RssFile") - code
    return {
        "case": name, "images": count, "peak_bytes": _status("VmHWM") - before - paged_in,
        "formula_bytes": solver.memory(count),
        "cpu_s_per_iteration_and_image": seconds / ITERATIONS / count,
    }  # fmt: skip


def _status(field: str) -> int:
    """Bytes from /proc; getrusage's peak would include that of the process forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(x for x in lines if x.startswith(field + ":")).split()[1])


def _load_libraries(name: str) -> None:
    """Solve a small image of the same layer, so that kernels and workspaces are there before."""
    kind, weight, inputs, outputs, stride, padding = LAYERS[name]
    grown = outputs[1] // inputs[1]
    shown = (outputs[0], 12 * grown, 12 * grown)
    small = FinalLayer(kind, torch.ones(weight), None, (inputs[0], 12, 12), shown,
                       stride=stride, padding=padding)  # fmt: skip
    y = torch.rand(2, *small.output_shape)
    make_solver(small, LayerOperator(small), "fast").solve(
        Problem(Box(y, y), L1(torch.tensor(1e-2))), Stop(0.0, ITERATIONS, 10)
    )


def in_process(name: str, count: int) -> dict[str, Any]:
    """`measure` in a fresh process, so that no earlier peak hides this one's."""
    command = [sys.executable, "-m", "benchmarks.inversion_parts.memory", name, str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
