"""The whole way of one model: register its weights, fit an attributor, scan, gate on the result.

    python pipelines/register_fit_scan.py faces --factory my_package.models:Generator \
        --weights weights.safetensors --latent 100,1,1 --negatives photos/ --target found-images/
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flipad_ops import FitRequest, ScanRequest, fit, scan
from flipad_ops.common.exit_codes import ATTRIBUTOR, end_process
from flipad_ops.common.parameters import items, numbers
from flipad_ops.common.progress import counter, stages
from flipad_ops.workflows.register import RegisterRequest, register


def main() -> int:
    """Register, fit, scan; the code of `flipadops scan`, or 6 where the attributor is weak."""
    parser = argparse.ArgumentParser(prog="pipelines/register_fit_scan.py")
    parser.add_argument("name")
    parser.add_argument("--factory", required=True)
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--latent", required=True, help="shape, as 100,1,1")
    parser.add_argument("--negatives", required=True, help="folders or s3://..., by commas")
    parser.add_argument("--target", required=True, help="the same")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--settings", help="JSON file of fit settings in place of a recipe")
    parser.add_argument("--report", default="report.html")
    given = parser.parse_args()
    from flipad_ops.scanning.outcome.summary import exit_code, tell
    from flipad_ops.workflows.fit_request import read_settings

    latent = tuple(int(size) for size in numbers(given.latent, whole=True, option="--latent"))
    request = RegisterRequest(given.name, given.factory, latent, weights=given.weights)
    uri = register(request).uri
    settings = read_settings(given.settings) if given.settings else None
    order = FitRequest(uri, items(given.negatives), recipe=given.recipe, settings=settings)
    with stages() as progress:
        fitted = fit(order, progress)
    sys.stdout.write(fitted.text())
    if fitted.held_back:  # there is nothing to scan with
        return ATTRIBUTOR
    outputs = ("table", f"html={given.report}")
    job = ScanRequest(items(given.target), models=(given.name,), outputs=outputs)
    with counter("images") as counted:
        return exit_code(scan(job, counted, signals=True, report=tell))


if __name__ == "__main__":
    end_process(main)
