"""Benchmark of the inversion engine.

    python -m benchmarks.inversion --quick      # minutes, fewer images
    python -m benchmarks.inversion              # the research code runs all of its iterations

Times of pairs are CPU seconds of one thread, which a busy machine disturbs least. Writes
benchmarks/results/inversion.json and inversion.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from typing import Any

import torch
from torch import Tensor

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.inversion_parts.device import throughput
from benchmarks.inversion_parts.faces import faces
from benchmarks.inversion_parts.memory import LAYERS, in_process
from benchmarks.inversion_parts.report import markdown
from benchmarks.inversion_parts.research import objective, research_fista
from benchmarks.inversion_parts.rows import compare, lasso_row, sparse_box, synthetic
from flipad_ops.generators.layer import FinalLayer
from flipad_ops.generators.output import OutputMap
from flipad_ops.inversion import FinalLayerInverter, InversionSettings
from flipad_ops.inversion.operators import LayerOperator
from flipad_ops.inversion.solvers import Fista, Problem, Solver, Stop, make_solver
from flipad_ops.inversion.terms import L1, Box

RESEARCH_ALPHA = 5e-4


def needed(solver: Solver, problem: Problem, goal: float, start: int = 10) -> int:
    """Iterations (on a grid of about 15%) to a mean objective of at most `goal`."""
    count = start
    while count < 20000:
        found = solver.solve(problem, Stop(0.0, count, 10))
        if float(found.objective.mean()) <= goal:
            return count
        count = max(count + 10, round(count * 1.15 / 10) * 10)
    return count


def clock(run: Any) -> float:
    """CPU seconds of `run`."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def against_research(
    layer: FinalLayer, output_map: OutputMap, anchor: Tensor, pixels: Tensor,
    options: argparse.Namespace,
) -> dict[str, Any]:  # fmt: skip
    """Paired runs to the objective that the research code's iteration ends with."""
    operator = LayerOperator(layer)
    target = output_map.point_target(pixels) - layer(anchor[None])
    problem = Problem(Box(target, target), L1(torch.tensor(RESEARCH_ALPHA)))
    fast = make_solver(layer, operator, "descent")
    begin = time.process_time()
    d, used = research_fista(operator, target, anchor, RESEARCH_ALPHA, options.iterations)
    whole = time.process_time() - begin
    reached = objective(operator, target, d, RESEARCH_ALPHA)
    goal = float(reached.mean())
    few = Problem(Box(target[:4], target[:4]), problem.l1)
    guess = needed(fast, few, float(reached[:4].mean()), 100)
    count = needed(fast, problem, goal, max(10, round(guess / 1.15 / 10) * 10))
    timed_iterations = min(options.timed_iterations or used, used)
    pairs = []
    for _ in range(options.pairs):
        slow = clock(
            lambda: research_fista(operator, target, anchor, RESEARCH_ALPHA, timed_iterations)
        )
        quick = clock(lambda: fast.solve(problem, Stop(0.0, count, count)))
        pairs.append({"research_s": slow * used / timed_iterations, "fast_s": quick})
    found = fast.solve(problem, Stop(0.0, count, count))
    return {
        "images": len(pixels), "objective": goal, "research_iterations": used,
        "research_iterations_timed": timed_iterations, "research_unscaled_s": whole,
        "fast_iterations": count, "fast_objective": float(found.objective.mean()), "pairs": pairs,
        "unscaled_ratio": whole / statistics.median(p["fast_s"] for p in pairs),
        "median_ratio": statistics.median(p["research_s"] / p["fast_s"] for p in pairs),
    }  # fmt: skip


def against_fista(
    layer: FinalLayer, output_map: OutputMap, anchor: Tensor, pixels: Tensor
) -> dict[str, Any]:
    """Time to relative suboptimality 1e-3 at the default settings (box, alpha 1e-2)."""
    operator = LayerOperator(layer)
    lower, upper = output_map.interval_target(pixels)
    offset = layer(anchor[None])
    problem = Problem(Box(lower - offset, upper - offset), L1(torch.tensor(1e-2)))
    fast, fista = make_solver(layer, operator, "descent"), Fista(operator)
    reference = make_solver(layer, operator, "fast").solve(problem, Stop(3e-5, 2000, 50))
    goal = float(reference.objective.mean()) * (1 + 1e-3)
    counts = {"fast": needed(fast, problem, goal), "fista": needed(fista, problem, goal, 100)}
    seconds = {
        name: clock(lambda s=solver, n=counts[name]: s.solve(problem, Stop(0.0, n, n)))
        for name, solver in (("fast", fast), ("fista", fista))
    }
    return {
        "images": len(pixels), "reference_gap": float(reference.gap.max()), "iterations": counts,
        "seconds": seconds, "ratio": seconds["fista"] / seconds["fast"],
    }  # fmt: skip


def defaults(inverter: FinalLayerInverter, pixels: Tensor) -> list[dict[str, Any]]:
    """Cost at the default settings by batch size."""
    rows = []
    for batch in (1, 4, 16, 64):
        part = pixels[:batch]
        if len(part) < batch:
            break
        begin = time.process_time()
        result = inverter.invert(part)
        seconds = time.process_time() - begin
        rows.append({
            "case": "face DCGAN, defaults", "solver": "fast", "images": batch,
            "ms_per_image": 1e3 * seconds / batch, "largest_gap": float(result.gap.max()),
            "iterations": float(result.iterations.double().mean()),
            "objective": float(result.objective.mean()), "alpha": inverter.settings.alpha,
        })  # fmt: skip
    return rows


def invariance(inverter: FinalLayerInverter, pixels: Tensor) -> float:
    """Largest difference of z, relative to its largest entry, alone against in a batch."""
    together = inverter.invert(pixels[:9]).z
    alone = torch.cat([inverter.invert(pixels[i : i + 1]).z for i in (0, 4, 8)])
    chosen = together[[0, 4, 8]]
    return float((alone - chosen).abs().max() / chosen.abs().max())


def against(rows: list[dict[str, Any]], case: str) -> float:
    """How many times the time of the fast solver FISTA takes to the same gap."""
    times = {row["solver"]: row["ms_per_image"] for row in rows if row["case"].startswith(case)}
    return float(times["fista"] / times["fast"])


def main() -> None:
    """Run everything and write the two files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, help="64, or 16 when quick")
    parser.add_argument("--iterations", type=int, help="most of the research code")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--timed-iterations", type=int, default=100,
                        help="of the research code in each pair; 0 for all")  # fmt: skip
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.images = options.images or (16 if options.quick else 64)
    options.iterations = options.iterations or (1000 if options.quick else 10000)
    layer, output_map, anchor, pixels = faces(options.images, options.seed)
    inverter = FinalLayerInverter(layer, output_map, anchor, InversionSettings())
    say = print if options.verbose else (lambda *_: None)
    research = against_research(layer, output_map, anchor, pixels, options)
    say(research)
    few = pixels[: 4 if options.quick else 16]
    fista = against_fista(layer, output_map, anchor, few)
    say(fista)
    rows = defaults(inverter, pixels)
    say(rows)
    largest_batch = rows[-1]

    def on(device: str) -> FinalLayerInverter:
        return FinalLayerInverter(layer, output_map, anchor, InversionSettings(), device)

    rows += throughput(on, pixels, "face DCGAN, defaults")
    say(rows[-1])
    for name, synthetic_layer in synthetic(options.seed, 32 if options.quick else 128).items():
        box = sparse_box(synthetic_layer, 2, options.seed)
        rows += compare(name, synthetic_layer, box, 1e-2, Stop(1e-2, 2000, 10))
        if synthetic_layer.kind == "linear":
            rows += lasso_row(synthetic_layer, box, 1e-2)
    say(rows)
    memory = [in_process(name, 1 if "whole" in name else 4 if "window" in name else 32)
              for name in LAYERS]  # fmt: skip
    say(memory)
    report = {
        "command": " ".join(["python -m benchmarks.inversion", *sys.argv[1:]]),
        "summary": {
            "speedup_vs_research": research["median_ratio"],
            "speedup_vs_fista_1e-3": fista["ratio"],
            "speedup_vs_fista_conv3": against(rows, "conv 3x3"),
            "max_batch_difference": invariance(inverter, pixels),
            "speedup_vs_research_unscaled": research["unscaled_ratio"],
            "ms_per_image_defaults": largest_batch["ms_per_image"],
            "largest_memory_over_formula": max(
                row["peak_bytes"] / row["formula_bytes"] for row in memory
            ),
        },
        "research": research, "fista": fista, "rows": rows, "memory": memory,
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(),
                    "threads": options.threads, "torch": torch.__version__,
                    "cuda": torch.cuda.is_available(),
                    "load_average": os.getloadavg()[0]},
        "seed": options.seed,
        "notes": [
            f"Research code: {research['research_iterations']} iterations, "
            f"{research['research_iterations_timed']} of them timed in each pair and scaled; "
            f"unscaled it took {research['research_unscaled_s']:.0f} s, "
            f"{research['unscaled_ratio']:.1f} times the fast solver.",
            "Pairs are compared in CPU seconds of one thread.",
            "The research code's stopping threshold is our reading; see research.py.",
            "GPU rows need CUDA.",
        ],
    }  # fmt: skip
    write_json(RESULTS / "inversion.json", report)
    (RESULTS / "inversion.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
