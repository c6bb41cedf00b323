"""Throughput of the default inversion on a device against its memory-bandwidth floor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from flipad_ops.inversion import FinalLayerInverter
from flipad_ops.inversion.solvers import Splitting

#: Bytes copied to measure the bandwidth; more than any cache.
COPIED = 2**28


def devices() -> list[str]:
    """The CPU and, when there is one, the first GPU."""
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def seconds(device: str, run: Callable[[], object]) -> float:
    """Wall time of `run` with the device's queue empty before and after."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def bandwidth(device: str) -> float:
    """Bytes read and written per second by a large copy, median of 5."""
    source = torch.empty(COPIED, dtype=torch.uint8, device=device).zero_()
    goal = torch.empty_like(source)
    goal.copy_(source)
    return 2 * COPIED / statistics.median(seconds(device, lambda: goal.copy_(source))
                                          for _ in range(5))  # fmt: skip


def floor_bytes(solver: Splitting) -> int:
    """Least traffic of one iteration and image: both states read and written once."""
    operator = solver.operator
    blocks = operator.inputs.torus[0] * operator.inputs.torus[1]
    return 2 * 4 * blocks * (operator.inputs.width + operator.outputs.width)


def throughput(
    build: Callable[[str], FinalLayerInverter], pixels: Tensor, case: str
) -> list[dict[str, Any]]:
    """One row per device."""
    rows = []
    for device in devices():
        inverter = build(device)
        assert isinstance(inverter.solver, Splitting)
        inverter.invert(pixels[:8])
        times = []
        for _ in range(3):
            times.append(seconds(device, lambda i=inverter: i.invert(pixels)))  # type: ignore[misc]
        result = inverter.invert(pixels)
        spent = statistics.median(times)
        least = int(result.iterations.sum()) * floor_bytes(inverter.solver) / bandwidth(device)
        name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
        rows.append({
            "case": case, "solver": f"fast on {name}", "images": len(pixels),
            "ms_per_image": 1e3 * spent / len(pixels), "images_per_s": len(pixels) / spent,
            "share_of_bandwidth_floor": least / spent,
            "iterations": float(result.iterations.double().mean()),
            "largest_gap": float(result.gap.max()), "objective": float(result.objective.mean()),
        })  # fmt: skip
    return rows
