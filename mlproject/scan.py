"""Entry point `scan`: a scan whose records and report are logged in the run of `mlflow run`."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from typing import get_args

from flipad_ops.common.errors import FlipadError, UsageError, first_line
from flipad_ops.common.exit_codes import UNRECORDED, end_process, exit_code
from flipad_ops.common.parameters import flag, items, number
from flipad_ops.common.progress import counter


def main() -> int:
    """Scan, log what was written, and end with the code of `flipadops scan`."""
    parser = argparse.ArgumentParser(prog="mlproject/scan.py")
    for name in ("target", "model"):
        parser.add_argument(f"--{name}", required=True)
    defaults = {"fdr": "0.01", "fail-on": "never", "device": "cpu", "allow-pickle": "false"}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", default=default)
    given = parser.parse_args()
    import mlflow
    from mlflow.exceptions import MlflowException

    from flipad_ops.scanning.outcome import summary

    choices = get_args(summary.FailOn)
    if given.fail_on not in choices:
        raise UsageError(f"Parameter fail_on is {', '.join(choices)}, not {given.fail_on!r}.")
    from flipad_ops.workflows.scan import ScanRequest, scan

    code: int | None = None
    try:
        with tempfile.TemporaryDirectory(prefix="flipad-") as temporary, mlflow.start_run() as run:
            records = Path(temporary)
            request = ScanRequest(
                targets=items(given.target),
                models=items(given.model),
                fdr=number("fdr", given.fdr),
                device=given.device,
                outputs=(
                    f"json={records / 'scan.json'}",
                    f"html={records / 'report.html'}",
                    "table",
                ),
                track=True,
                allow_pickle=flag("allow_pickle", given.allow_pickle),
                command=shlex.join(sys.argv),
            )
            client = mlflow.MlflowClient()
            try:
                with counter("images") as progress:
                    outcome = scan(request, progress, signals=True, report=summary.tell)
                code = summary.exit_code(outcome, given.fail_on)
            except FlipadError as error:
                client.set_tag(run.info.run_id, "flipad.exit_code", str(exit_code(error)))
                raise
            client.set_tag(run.info.run_id, "flipad.exit_code", str(code))
            client.log_artifacts(run.info.run_id, str(records), "scan")
    except (MlflowException, OSError) as error:
        if code is None:
            raise
        # The scan has ended: what it found is not hidden by a server that went away.
        sys.stderr.write(f"The scan cannot be logged to MLflow: {first_line(error)}\n")
        code = code or UNRECORDED
    return code


if __name__ == "__main__":
    end_process(main)
