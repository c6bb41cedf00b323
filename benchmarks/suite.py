"""What the whole of CI takes: `.ci/run` in a fresh clone of HEAD, by its parts.

    python -m benchmarks.suite

Writes suite.json; the tests' own times are `pytest --durations`, its log is kept with --log.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.frame.results import RESULTS, machine, write_json

ROOT = Path(__file__).parents[1]
#: What `.ci/run` says of a part, and pytest of the tests.
PART = re.compile(r"^== (.+): (\d+) s$", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")
TESTS = re.compile(r"^=+ (.*(?:passed|failed).*) in ([\d.]+)s", re.MULTILINE)


def figures(log: str) -> dict[str, Any]:
    """Of a run's output, flat: seconds of each part and of the tests, and how many there were."""
    parts = {f"{name.replace(' ', '_')}_seconds": int(s) for name, s in PART.findall(log)}
    told = {**parts, "seconds": parts.get("whole_seconds")}
    for counts, seconds in TESTS.findall(log):
        told |= {word: int(number) for number, word in COUNT.findall(counts)}
        told["tests_seconds"] = float(seconds)
    return told


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--log", type=Path, help="keep the output here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        with (options.log or Path(folder) / "log").open("w+", encoding="utf-8") as log:
            done = subprocess.run(
                ["bash", ".ci/run"], cwd=clone, stdout=log, stderr=subprocess.STDOUT, check=False,
                env={key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"},
            )  # fmt: skip
            log.seek(0)
            text = log.read()
    sys.stderr.write(text[-2000:])
    summary = {**figures(text), "exit_code": done.returncode}
    result = {"machine": machine(), "command": "python -m benchmarks.suite", "summary": summary}
    write_json(options.out / "suite.json", result)


if __name__ == "__main__":
    main()
