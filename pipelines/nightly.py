"""Every night: an attributor for each version that lacks one, then a scan with all of them.

python pipelines/nightly.py --negatives photos/ --target s3://bucket/uploads --state scan.db
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from flipad_ops import FitRequest, FlipadError, ScanRequest, fit, scan
from flipad_ops.common.exit_codes import INCOMPLETE, end_process
from flipad_ops.common.parameters import items
from flipad_ops.common.progress import counter, stages


def main() -> int:
    """Fit, scan, log to MLflow; the scan's code, or 4 where a fit failed or is weak and nothing
    was found."""
    parser = argparse.ArgumentParser(prog="pipelines/nightly.py")
    parser.add_argument("--target", required=True, help="folders or s3://..., by commas")
    parser.add_argument("--negatives", default="", help="the same, besides the other versions")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--settings", help="JSON file of fit settings in place of a recipe")
    parser.add_argument("--state", help="ledger, so that unchanged objects are read once")
    given = parser.parse_args()
    from flipad_ops.registry.inventory import missing_attributors
    from flipad_ops.scanning.outcome.summary import exit_code, tell
    from flipad_ops.workflows.fit_request import read_settings

    settings = read_settings(given.settings) if given.settings else None
    order = FitRequest("", items(given.negatives), recipe=given.recipe, settings=settings)
    failed = 0
    for uri in missing_attributors():
        try:
            with stages() as progress:
                fitted = fit(replace(order, uri=uri), progress)
            sys.stdout.write(fitted.text())
            failed += fitted.held_back
        except FlipadError as error:
            failed += 1
            sys.stderr.write(f"{uri}: {error}\n")
    job = ScanRequest(
        items(given.target), all_models=True, outputs=("table",), state=given.state, track=True
    )
    with counter("images") as counted:
        code = exit_code(scan(job, counted, signals=True, report=tell))
    return code or (INCOMPLETE if failed else 0)


if __name__ == "__main__":
    end_process(main)
