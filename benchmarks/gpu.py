"""Benchmark on a GPU: right first, then how fast.

    python -m benchmarks.gpu                 # on cuda, under 8 minutes
    python -m benchmarks.gpu --device cpu --quick

Needs torch, numpy, scipy, safetensors, pillow and scikit-learn alone: no MLflow, no network, no
files. Writes gpu.json and gpu.md into --out after every section, so that a run that is cut off
leaves what it has; a section that fails is a row with its error.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.frame.pages import bullets, table, text
from benchmarks.frame.results import RESULTS, machine, write_json
from benchmarks.gpu_parts import correctness, rates

Row = dict[str, Any]
NAME = "gpu"


def sections(device: str, quick: bool) -> dict[str, Callable[[], Iterator[Row]]]:
    """In their order: what is cheap and decides most comes first."""
    share, images = (0.05, 8) if quick else (1.0, 1024)
    return {
        correctness.SECTION: lambda: (
            correctness.rows(device, 0.02, ("default", "fast"))
            if quick
            else correctness.rows(device, 0.2)
        ),
        rates.INVERSION: lambda: rates.inversion(device, images, 16 if quick else 128),
        rates.SCORES: lambda: rates.scores(device, images, share),
        rates.SEARCH: lambda: rates.search(device, images, share if quick else 0.2),
    }


def summarise(rows: list[Row]) -> Row:
    """Flat: of correctness the worst, of rates the best."""
    told: Row = {"failed": sum("error" in row for row in rows)}
    right = [row for row in rows if row["section"] == correctness.SECTION and "error" not in row]
    for name in ("objective_difference", "batch_difference", "score_difference_cpu",
                 "score_difference_alone"):  # fmt: skip
        found = [row[name] for row in right if name in row]
        if found:
            told[f"{name}_max"] = max(found)
    for row in rows:
        if "images_per_s" not in row:
            continue
        name = f"{row['section']}: {row['what']}" if row["section"] != rates.SEARCH else "search"
        if row["images_per_s"] > told.get(name, 0):
            told[name] = row["images_per_s"]
            if "together" in row:
                told[f"{name}: best together"] = row["together"]
    return told


def page(result: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["# On a GPU", "", f"`{result['command']}` on {result['device']}; {result['machine']}."]
    lines += ["", *bullets(result["summary"])]
    for section in dict.fromkeys(row["section"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["section"] == section]
        lines += ["", f"## {section.capitalize()}", ""]
        for columns in dict.fromkeys(tuple(row) for row in rows):
            alike = [row for row in rows if tuple(row) == columns]
            lines += [*table(list(columns[1:]), ([r[c] for c in columns[1:]] for r in alike)), ""]
    return text(lines)


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--only", help="comma-separated sections")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cuda = options.device.startswith("cuda")
    name = torch.cuda.get_device_name(options.device) if cuda else "a CPU (dry run, no GPU figure)"
    chosen, rows = sections(options.device, options.quick), list[Row]()
    for section in (options.only or ",".join(chosen)).split(","):
        begun = time.perf_counter()
        try:
            for row in chosen[section]():
                rows.append(row)
                print(json.dumps(row), flush=True)
        except Exception as error:  # a lent machine is dear: the other sections run
            traceback.print_exc()
            rows.append({"section": section, "what": "failed", "error": repr(error)[:300]})
        print(f"{section}: {time.perf_counter() - begun:.0f} s", flush=True)
        result = {"command": "python -m benchmarks.gpu", "device": name, "machine": machine(),
                  "summary": summarise(rows), "rows": rows}  # fmt: skip
        write_json(options.out / f"{NAME}.json", result)
        (options.out / f"{NAME}.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
