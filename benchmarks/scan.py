"""Benchmark of `flipadops scan`: throughput, memory, rescans and what is found, in one run.

    python -m benchmarks.scan                                    # 100,000 objects of 16x16
    python -m benchmarks.scan --source faces --objects 10000 --name scan_faces
    python -m benchmarks.scan --quick                            # 2,000 objects, printed only

PNG objects lie in a SeaweedFS on this machine, 20 of them made by the attributed generator, the
others patches of photographs and images of another generator. Each measurement is a process of its
own; stages alone and the whole scan take turns within one. Writes NAME.json and NAME.md into
benchmarks/results, and after every measurement `runs.json` into the folder for work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.frame.results import RESULTS, write_json
from benchmarks.scan_parts.content import Content, change, upload
from benchmarks.scan_parts.figures import summary
from benchmarks.scan_parts.fit import fit
from benchmarks.scan_parts.sources import SOURCES
from benchmarks.scan_parts.words import in_words

ATTRIBUTORS = (1, 2, 4)


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=list(SOURCES), default="small", help="of the images")
    parser.add_argument("--quick", action="store_true", help="under 3 minutes, no results written")
    parser.add_argument("--objects", type=int, help="in the bucket; 100,000, or 2,000 when quick")
    parser.add_argument("--stage-objects", type=int, help="for stages against whole: 2,000 or 500")
    parser.add_argument("--repeats", type=int, help="of stages against whole: 5 or 2")
    parser.add_argument("--attributor", type=Path, help="folder of a fitted one; fits it else")
    parser.add_argument("--work", type=Path, help="folder for the server's data")
    parser.add_argument("--name", default="scan", help="of the two results")
    options = parser.parse_args()
    options.objects = options.objects or (2_000 if options.quick else 100_000)
    options.stage_objects = options.stage_objects or (500 if options.quick else 2_000)
    options.repeats = options.repeats or (2 if options.quick else 5)
    with tempfile.TemporaryDirectory(dir=options.work) as temporary:
        results = Bench(options, Path(temporary)).run()
    if not options.quick:
        write_json(RESULTS / f"{options.name}.json", results, indent=2)
        (RESULTS / f"{options.name}.md").write_text(in_words(results))
    print(in_words(results))


class Bench:
    """One run.

    Parameters
    ----------
    options : Namespace
        Of the command line.
    work : Path
        An empty folder.
    """

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        self.options, self.work = options, work
        self.source = SOURCES[options.source]()
        self.content = Content(self.source, options.objects)
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.environment = dict(os.environ)

    def run(self) -> dict[str, Any]:
        """All measurements, and their summary."""
        from tests.e2e.s3_server import s3_server

        if self.options.attributor is None:
            fit(self.source, self.work / "attributor")
        (self.work / "s3").mkdir()
        with s3_server(self.work / "s3", "bench") as server:
            os.environ.update(server.environment())
            self.environment.update(server.environment())
            began = time.perf_counter()
            from flipad_ops.storage import S3Access

            store = S3Access().store("bench")
            say(f"upload {self.options.objects}")
            upload(store, self.content)
            uploaded = time.perf_counter() - began
            self._measure(store)
        return {
            "summary": summary(self.runs),
            "source": self.options.source,
            "objects": self.options.objects,
            "stage_objects": self.options.stage_objects,
            "upload_seconds": uploaded,
            "machine": {
                "cores": len(os.sched_getaffinity(0)),
                "python": platform.python_version(),
                "threads": os.environ.get("OMP_NUM_THREADS", "all"),
            },
            "runs": self.runs,
        }

    def _measure(self, store: Any) -> None:
        few, state = str(self.options.stage_objects), ("--state", str(self.work / "state.db"))
        for turn in range(self.options.repeats):
            self._one("stages", "stages", "--objects", few, "--turn", str(turn))
        for count in ATTRIBUTORS[: 2 if self.options.quick else None]:
            self._one(f"attributors_{count}", "scan", "--objects", few, "--attributors", str(count))
        fewer = str(max(self.options.stage_objects // 4, 1))
        self._one("screened", "scan", "--objects", fewer)
        self._one("unscreened", "scan", "--objects", fewer, "--no-screen")
        tenth = str(self.options.objects // 10)
        self._one("tenth", "scan", "--objects", tenth, "--state", str(self.work / "tenth.db"))
        self._one("whole", "scan", *state)
        expected = change(store, self.content)
        self._one("changed", "scan", *state)
        fetched = set(self.runs["changed"][0]["fetched_keys"])
        self.runs["changed"][0]["fetched_exactly_the_changed"] = fetched == expected
        self._one("unchanged", "scan", *state)

    def _one(self, name: str, *words: str) -> None:
        folder = self.options.attributor or self.work / "attributor"
        command = [
            sys.executable, "-m", "benchmarks.scan_parts.measure", words[0],
            "--target", "s3://bench", "--attributor", str(folder), *words[1:],
        ]  # fmt: skip
        done = subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        )
        self.runs.setdefault(name, []).append(json.loads(done.stdout))
        if self.options.work is not None:
            write_json(self.options.work / "runs.json", self.runs, indent=2)
        say(f"{name}: {done.stdout.strip()}")


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    main()
