"""How fast a scan runs against the stages it is made of, and how much memory it takes.

    python -m benchmarks.scan_throughput --objects 20000

PNG objects of 16x16 pixels (patches of photographs, each made unique by noise of one grey level)
lie in a SeaweedFS on this machine, 20 of them made by the attributed generator under `mixed/`.
Every number comes from a process of its own; stages alone and the whole alternate, and medians
are reported. Server, client and scorer share the machine's cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "scan_throughput.json"
LEAKS = 20
SIZE = 16


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000, help="in the bucket")
    parser.add_argument("--scored", type=int, default=2_000, help="scored by the real attributor")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for the server's data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as temporary:
        results = measure(arguments, Path(temporary))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    RESULTS.with_suffix(".md").write_text(in_words(results))
    print(in_words(results))


def measure(arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """All figures, see `in_words`."""
    from tests.e2e.s3_server import s3_server

    say("fit")
    own = fit(work / "attributor")
    (work / "s3").mkdir()
    with s3_server(work / "s3", "bench") as server:
        say("upload")
        began = time.perf_counter()
        upload(server, arguments.objects, own)
        uploaded = time.perf_counter() - began
        environment = {**os.environ, **server.environment()}

        def run(what: str, count: int, *options: str) -> dict[str, Any]:
            command = [
                sys.executable, "-m", "benchmarks.scan_stage", what, "--target", "s3://bench/all",
                "--attributor", str(work / "attributor"), "--objects", str(count), *options,
            ]  # fmt: skip
            out = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
            facts: dict[str, Any] = json.loads(out.stdout)
            say(f"{what} {count} {' '.join(options)}: {facts['rate']:.0f}/s")
            return facts

        many, few = arguments.objects, min(arguments.scored, arguments.objects)
        runs: dict[str, list[dict[str, Any]]] = {}
        for repeat in range(arguments.repeats):
            state = str(work / f"state{repeat}.db")
            for name, parts in {
                "list": ("list", many),
                "fetch": ("fetch", few),
                "fetch_boto3": ("boto3", few),
                "decode": ("decode", few),
                "score": ("score", few),
                "scan": ("scan", few, "--state", state),
                "rescan": ("scan", few, "--state", state),
                "scan_weightless": ("scan", few, "--weightless"),
            }.items():
                runs.setdefault(name, []).append(run(*parts))
        state = str(work / "large.db")
        runs["tenth"] = [run("scan", many // 10, "--weightless")]
        runs["whole"] = [run("scan", many, "--weightless", "--state", state)]
        runs["whole_again"] = [run("scan", many, "--weightless", "--state", state)]
    return {
        "summary": summary(runs),
        "objects": many,
        "scored_by_the_real_attributor": few,
        "upload_seconds": uploaded,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "load_average_at_end": os.getloadavg(),
        },
        "runs": runs,
    }


def summary(runs: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """The flat figures that others compare."""

    def rate(name: str) -> float:
        return statistics.median(run["rate"] for run in runs[name])

    def seconds(name: str) -> float:
        return statistics.median(run["seconds"] for run in runs[name])

    names = ("list", "fetch", "fetch_boto3", "decode", "score", "scan", "scan_weightless")
    memory = {name: runs[name][0]["peak_mb"] for name in ("tenth", "whole")}
    figures = {f"{name}_per_second": rate(name) for name in names} | {
        "share_of_slowest_stage": rate("scan") / min(map(rate, ("fetch", "decode", "score"))),
        # Over all objects: starting the decoders would dominate a short scan without scoring.
        "scan_weightless_all_objects_per_second": rate("whole"),
        "share_of_slowest_stage_weightless": rate("whole") / min(rate("fetch"), rate("decode")),
        "speedup_of_fetch_vs_boto3": rate("fetch") / rate("fetch_boto3"),
        "rescan_time_share": seconds("rescan") / seconds("scan"),
        "rescan_time_share_weightless_all_objects": seconds("whole_again") / seconds("whole"),
        "peak_mb_at_tenth": memory["tenth"],
        "peak_mb_at_whole": memory["whole"],
        "memory_ratio_whole_to_tenth": memory["whole"] / memory["tenth"],
    }
    last = runs["scan"][0]
    chosen = (
        "planted_flagged", "others_flagged", "others_called_leak", "q_of_planted_prefix",
        "other_prefixes_below_fdr",
    )  # fmt: skip
    return figures | {name: last[name] for name in chosen}


def in_words(results: dict[str, Any]) -> str:
    """The table of the summary."""
    rows = [f"| {name} | {value:.4g} |" for name, value in results["summary"].items()]
    return "\n".join(
        [
            "# Scan throughput",
            "",
            f"{results['objects']} PNG objects of {SIZE}x{SIZE} pixels in SeaweedFS on the same "
            f"machine, {results['machine']['cores']} cores shared by server, client, "
            "decoders and scorer and with other work (see load_average_at_end in the JSON). "
            f"Stages alone, scan and rescan: {results['scored_by_the_real_attributor']} objects, "
            "medians; the real "
            "attributor on the CPU. `weightless` scores nothing, so that fetching and decoding "
            "show; memory and `all_objects` are measured with it over all objects. `peak_mb` "
            "is the scanning process's peak after its imports, without decoders and server. "
            "A scan of few objects is short of its slowest stage by what starting costs (decoders, "
            "credentials: about a second here); the weightless share sets all objects against "
            "stages measured on few, so it can pass 1.",
            "",
            "| figure | value |",
            "|---|---|",
            *rows,
            "",
            "Made by `python -m benchmarks.scan_throughput`.",
            "",
        ]
    )


def fit(folder: Path) -> Any:
    """Fit the attributor of a barely trained DCGAN into `folder`; returns own images.

    Small on purpose: what counts here is the cost of scoring, not the accuracy.
    """
    from flipad_ops.attributor_io import save_attributor
    from flipad_ops.demo.gan import LATENT, train_gan
    from flipad_ops.demo.photos import photo_patches
    from flipad_ops.fit_settings import recipe
    from flipad_ops.fitting import fit_attributor
    from flipad_ops.generators import split_generator
    from flipad_ops.inversion import InversionSettings
    from flipad_ops.negatives import ForeignImages

    gan = train_gan(photo_patches("generator", 400, SIZE), steps=30, seed=0, width=16)
    metadata = {"latent": {"shape": [LATENT, 1, 1], "distribution": "normal"}}
    generator = split_generator(gan, metadata, name="bench", version="1")
    foreign = {"photos": ForeignImages(photo_patches("negatives", 300, SIZE))}
    sizes = {"own_train": 150, "own_calibration": 100, "own_test": 40, "anchor_samples": 200}
    # Few iterations: a generator that has learnt little is slow to invert.
    inversion = InversionSettings(max_iterations=60, tolerance=5e-2)
    settings = recipe("fast", max_negatives=300, inversion=inversion, **sizes)
    result = fit_attributor(generator, foreign, settings, progress=show)
    save_attributor(result.attributor, folder)
    return generator.sample(LEAKS, seed=99)


def upload(server: Any, count: int, own: Any) -> None:
    """`count` objects below `all/`: a thousand a folder, and `mixed/` with the planted ones."""
    import numpy as np

    from flipad_ops.demo.photos import photo_patches
    from flipad_ops.images.png import encode_png

    patches = (photo_patches("scan", 2000, SIZE) * 255).byte().permute(0, 2, 3, 1).numpy()
    planted = [encode_png(image) for image in own]
    client = server.client()

    def put(index: int) -> None:
        if index < LEAKS:
            name, data = f"mixed/leak{index:02d}.png", planted[index]
        else:
            noise = np.random.default_rng(index).integers(-1, 2, patches[0].shape)
            pixels = (patches[index % len(patches)] + noise).clip(0, 255).astype(np.uint8)
            folder = "mixed" if index < 5 * LEAKS else f"photos{index // 1000:04d}"
            name, data = f"{folder}/{index:07d}.png", encode_png(pixels)
        client.put_object(Bucket="bench", Key=f"all/{name}", Body=data)

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(put, range(count)):
            pass


def show(stage: str, done: int, total: int) -> None:
    """Progress of the fit."""
    if done in (0, total):
        say(f"{stage} {done}/{total}")


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    main()
