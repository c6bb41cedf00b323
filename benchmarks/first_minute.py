"""The first minute: how large and how quick a fresh installation is, and what `make demo` takes.

    nice python -m benchmarks.first_minute [--parts scan,demo] [--quick]

scan: the wheel of this checkout is installed into a virtual environment of its own, as the README
says for scans, with the CPU build of torch that constraints-cpu.txt pins. The size of its
site-packages is what `du -sm` says, less that of an empty environment. Commands are run in it, and
their CPU seconds (user and system, children too) are the least of three runs; a registry, its
generator and its attributor are made and served by the interpreter that runs this. demo: `make
demo` in a fresh clone of HEAD, its installing timed apart. pip's cache and the index are those of
the machine. Figures of a part that is not run stay as they were. --quick runs each command once.

Writes benchmarks/results/first_minute.json and first_minute.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.frame.pages import table, text
from benchmarks.frame.results import RESULTS, machine, write_json

ROOT = Path(__file__).parents[1]
PARTS = ("scan", "demo")
IMAGES = 30
#: Figures of the summary, and what is aimed at.
AIMS = {
    "demo_seconds": 240, "install_seconds": 120, "install_mb_scan": 1300, "usage_error_cpu_s": 1,
    "doctor_cpu_s": 4, "small_scan_cpu_s": 4,
}  # fmt: skip
#: A registry with a generator and its attributor, and images to scan; argv: store, folder, count.
MADE = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from flipad_ops.registry.generators import register_generator
from flipad_ops.samples.png import save_png
from flipad_ops.regeneration.regeneration_settings import NO_REGENERATION
from flipad_ops.workflows.fit import FitRequest, fit
from tests.registry.tiny import tiny_generator, tiny_settings
store, folder = sys.argv[1], Path(sys.argv[2])
for seed in (1, 2):
    module, metadata = tiny_generator(seed)
    register_generator("tiny", module.eval(), metadata, tracking_uri=store)
settings = tiny_settings(regeneration=NO_REGENERATION)
fit(FitRequest("tiny/1", settings=settings, tracking_uri=store, accept_weak="for its size"))
from flipad_ops.registry.generators import load_generator
images = load_generator("tiny/1", tracking_uri=store).sample(int(sys.argv[3]), 7)
for number, image in enumerate(images):
    save_png(image, folder / f"{number}.png")
"""


def plain_environment(**more: str) -> dict[str, str]:
    """This process's, without what says which Python or registry is meant."""
    left_out = ("VIRTUAL_ENV", "PYTHON", "MLFLOW", "FLIPADOPS", "COV", "MAKE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | more


def measured(command: list[str], folder: Path, wanted: int = 0) -> dict[str, float]:
    """CPU and wall seconds of a command that ends with the code `wanted`."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=plain_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if code != wanted:
            raise SystemExit(f"{' '.join(command)} ended with {code}: {said.read()}")
    seconds = time.perf_counter() - began
    return {"cpu_s": round(used.ru_utime + used.ru_stime, 2), "wall_s": round(seconds, 2)}


def least(command: list[str], folder: Path, times: int, wanted: int = 0) -> dict[str, float]:
    """Of several runs, the one that took the least CPU; what else a machine does only adds."""
    return min((measured(command, folder, wanted) for _ in range(times)), key=lambda r: r["cpu_s"])


def megabytes(environment: Path) -> int:
    """Of an environment's site-packages, as `du -sm` counts."""
    (packages,) = environment.glob("lib/python*/site-packages")
    done = subprocess.run(["du", "-sm", packages], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A server's address, with a generator and its attributor; images in folder/found."""
    from tests.registry_hooks.servers import mlflow_server

    with mlflow_server(folder / "mlflow.db", folder) as address:
        (folder / "found").mkdir()
        subprocess.run(
            [sys.executable, "-c", MADE, address, str(folder / "found"), str(IMAGES)],
            check=True, cwd=ROOT, capture_output=True,
        )  # fmt: skip
        yield address


def scan_part(work: Path, times: int) -> dict[str, Any]:
    """Installed for scans, and asked."""
    environment, wheels = work / "venv", work / "wheel"
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--quiet"]
    with_pins = [*pip, "install", "-c", str(ROOT / "constraints-cpu.txt")]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", wheels, ROOT],
        check=True,
    )
    (wheel,) = wheels.glob("*.whl")
    measured([sys.executable, "-m", "venv", str(environment)], work)
    empty = megabytes(environment)
    took = measured([*with_pins, str(wheel)], work)["wall_s"]
    sizes = {"scan": megabytes(environment) - empty}
    run = str(environment / "bin" / "flipadops")
    commands = {}
    with registry(work) as address:
        asked = ["--tracking-uri", address]
        scan = [run, "scan", "found", "--model", "tiny"]
        commands["flipadops --help"] = least([run, "--help"], work, times)
        commands["config show"] = least([run, "config", "show"], work, times)
        commands["config schema"] = least([run, "config", "schema"], work, times)
        commands["scan, wrong option"] = least([*scan, "--since", "soon"], work, times, 2)
        commands["models"] = least([run, "models", *asked], work, times)
        found = [*scan, *asked, "-o", "jsonl=scan.jsonl", "-o", "table"]
        commands[f"scan, {IMAGES} images"] = least(found, work, times, 3)
        commands["report"] = least([run, "report", "scan.jsonl", "-o", "html=a.html"], work, times)
        for extra in ("s3", "pytorch", "fit"):
            measured([*with_pins, f"{wheel}[{extra}]"], work)
            sizes[f"and {extra}"] = megabytes(environment) - empty
            if extra == "pytorch":
                doctor = [run, "doctor", "tiny/1", *asked]
                commands["doctor"] = least(doctor, work, times)
    return {
        "summary": {
            "install_mb_scan": sizes["scan"],
            "usage_error_cpu_s": commands["scan, wrong option"]["cpu_s"],
            "doctor_cpu_s": commands["doctor"]["cpu_s"],
            "small_scan_cpu_s": commands[f"scan, {IMAGES} images"]["cpu_s"],
        },
        "megabytes": sizes,
        "install_scan_s": took,
        "commands": commands,
    }


def demo_part(work: Path) -> dict[str, Any]:
    """`make demo` in a fresh clone."""
    clone = work / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    installing = measured(["make", ".venv/.product"], clone)
    demo = measured(["make", "demo"], clone)
    if not list(clone.glob("flipadops-demo/**/report.html")):
        raise SystemExit("make demo left no report.")
    return {
        "summary": {
            "install_seconds": installing["wall_s"],
            "demo_seconds": round(installing["wall_s"] + demo["wall_s"], 1),
        },
        "demo": {"installing": installing, "running": demo},
        "megabytes": {"demo": megabytes(clone / ".venv")},
    }


def page(result: dict[str, Any]) -> str:
    """The result in words."""
    summary = result["summary"]
    lines = ["# The first minute", "", "`python -m benchmarks.first_minute`, " + result["machine"]]
    lines[-1] += "."
    lines += [
        "`demo_seconds` is from a fresh clone to the report, installing included; sizes are of",
        "site-packages without what an empty environment has, as `du -sm` counts, torch for CPUs.",
        "",
        *table(
            ("figure", "measured", "aim"),
            ((name, summary[name], f"below {AIMS[name]}") for name in AIMS if name in summary),
        ),
    ]
    if "commands" in result:
        rows = ((f"`{name}`", r["cpu_s"], r["wall_s"]) for name, r in result["commands"].items())
        lines += ["", "## Commands", "", "In the environment for scans; `doctor` needs its extra"]
        lines += ["`pytorch` beside it. CPU seconds include the scoring.", ""]
        lines += table(("command", "CPU seconds", "seconds"), rows)
    lines += ["", "## Sizes", ""]
    lines += table(("installed", "MB"), result["megabytes"].items())
    return text(lines)


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    parts = given.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    file = RESULTS / "first_minute.json"
    result: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    result["machine"] = machine()
    with tempfile.TemporaryDirectory(prefix="flipad-first-minute-") as temporary:
        for part in parts:
            work = Path(temporary) / part
            work.mkdir()
            found = scan_part(work, 1 if given.quick else 3) if part == "scan" else demo_part(work)
            for name, value in found.items():
                merged = isinstance(value, dict) and name in ("summary", "megabytes")
                result[name] = {**result.get(name, {}), **value} if merged else value
    write_json(file, result)
    (RESULTS / "first_minute.md").write_text(page(result), encoding="utf-8")
    sys.stdout.write(json.dumps(result["summary"], indent=1) + "\n")


if __name__ == "__main__":
    main()
