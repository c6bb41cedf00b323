"""Entry point `scan`: `flipadops scan`, its report and counts logged in the MLflow run."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mlproject.options import items, run


def main() -> int:
    """Scan in a process of its own, log what it wrote, pass its exit code on."""
    parser = argparse.ArgumentParser(prog="mlproject.scan")
    for name in ("target", "model"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("fdr", "0.01"), ("fail-on", "never"), ("device", "cpu")):
        parser.add_argument(f"--{name}", default=default)
    given = parser.parse_args()
    import mlflow

    with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "flipad_ops", "scan", *items(given.target)]
        for model in items(given.model):
            command += ["--model", model]
        command += ["--fdr", given.fdr, "--fail-on", given.fail_on, "--device", given.device]
        for output in (f"json={folder / 'scan.json'}", f"html={folder / 'report.html'}", "table"):
            command += ["-o", output]
        code = subprocess.run(command, check=False).returncode
        with mlflow.start_run():
            mlflow.set_tag("flipad.exit_code", str(code))
            mlflow.log_artifacts(str(folder), "scan")
            if (folder / "scan.json").is_file():
                summary = json.loads((folder / "scan.json").read_text()).get("summary", {})
                mlflow.log_metrics(
                    {
                        name: float(value)
                        for name, value in summary.items()
                        if isinstance(value, (int, float))
                    }
                )
    return code


if __name__ == "__main__":
    run(main)
