"""One measurement of `scan_throughput` in a process of its own; prints a line of JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flipad_ops.images.decode import DecodeLimits
from flipad_ops.images.decoder import DecodeJob
from flipad_ops.images.worker_client import WorkerDecoder
from flipad_ops.registry.scorers import from_folder
from flipad_ops.scanning.ledger import Ledger
from flipad_ops.scanning.run import ScanRequest, run_scan
from flipad_ops.scanning.scorer import AttributorCard, ScoreBatch, Scorer
from flipad_ops.scanning.selection import Selection
from flipad_ops.scanning.targets import S3Target

BATCH = 64


class Weightless:
    """Scores nothing, as an infinitely fast accelerator would: leaves fetching and decoding."""

    name, version, threshold, p_floor = "weightless", "1", -1.0, 1e-3

    def __init__(self, shape: tuple[int, int, int], card: AttributorCard) -> None:
        self.image_shape, self.card = shape, card

    def score(self, pixels: torch.Tensor, residual: bool = False) -> ScoreBatch:
        count = len(pixels)
        no = np.zeros(count, bool)
        return ScoreBatch(pixels.mean(dim=(1, 2, 3)).double().numpy(), np.ones(count), no, ~no)


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["list", "fetch", "boto3", "decode", "score", "scan"])
    parser.add_argument("--target", required=True)
    parser.add_argument("--attributor", type=Path, required=True)
    parser.add_argument("--objects", type=int, required=True)
    parser.add_argument("--weightless", action="store_true")
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args()
    real = from_folder(arguments.attributor, "cpu")
    scorer: Scorer = Weightless(real.image_shape, real.card) if arguments.weightless else real
    # Importing peaks higher than scanning: forget that peak, measure from here.
    Path("/proc/self/clear_refs").write_text("5")
    begun_at = _status("VmRSS")
    facts: dict[str, Any] = {}
    if arguments.what == "scan":
        facts = _scan(arguments, scorer)
    else:
        seconds = _stage(arguments, scorer)
        facts = {"seconds": seconds, "objects": arguments.objects}
    facts["rate"] = facts["objects"] / facts["seconds"]
    facts["peak_mb"] = _status("VmHWM")
    facts["begun_at_mb"] = begun_at
    print(json.dumps(facts))


def _status(name: str) -> float:
    """A line of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def _scan(arguments: argparse.Namespace, scorer: Scorer) -> dict[str, Any]:
    request = ScanRequest(
        [S3Target(arguments.target)],
        batch_size=BATCH,
        selection=Selection(limit=arguments.objects),
    )
    ledger = Ledger(arguments.state) if arguments.state else None
    begun = time.perf_counter()
    outcome = run_scan(request, [scorer], ledger=ledger)
    seconds = time.perf_counter() - begun
    leaks = {f.row.key for f in outcome.flagged if f.row.key.startswith("mixed/leak")}
    tests = {test.prefix: test for tests in outcome.prefixes.values() for test in tests}
    return {
        "seconds": seconds,
        "objects": len(outcome.findings),
        "complete": outcome.complete,
        "reused": outcome.reused,
        "planted_flagged": len(leaks),
        "others_flagged": len(outcome.flagged) - len(leaks),
        "others_called_leak": sum(
            not f.row.key.startswith("mixed/leak") for f in outcome.of("leak")
        ),
        "q_of_planted_prefix": tests["mixed"].q if "mixed" in tests else None,
        "other_prefixes_below_fdr": sum(
            t.q <= request.fdr for name, t in tests.items() if name != "mixed"
        ),
    }


def _stage(arguments: argparse.Namespace, scorer: Scorer) -> float:
    """Seconds of one stage alone, its input made beforehand."""
    target = S3Target(arguments.target)
    begun = time.perf_counter()
    items = list(islice(target.list(), arguments.objects))
    if arguments.what == "list":
        return time.perf_counter() - begun
    arguments.objects = len(items)
    read: Callable[[Any], bytes] = lambda item: target.read(item, 50_000_000).data  # noqa: E731
    if arguments.what == "boto3":
        read = _boto3_reader(target)
    with ThreadPoolExecutor(target.concurrency) as pool:
        begun = time.perf_counter()
        blobs = list(pool.map(read, items))
    if arguments.what in {"fetch", "boto3"}:
        return time.perf_counter() - begun
    job = DecodeJob((scorer.image_shape,), "reject", DecodeLimits())
    decoders = [WorkerDecoder(job) for _ in range(ScanRequest([target]).processes)]
    for decoder in decoders:
        list(decoder.decode(blobs[:1]))  # started
    chunks = [blobs[i : i + 16] for i in range(0, len(blobs), 16)]

    def share(place: int) -> list[Any]:
        mine = chunks[place :: len(decoders)]
        return [reply.fits[0] for chunk in mine for reply in decoders[place].decode(chunk)]

    with ThreadPoolExecutor(len(decoders)) as pool:
        begun = time.perf_counter()
        pixels = [fit for part in pool.map(share, range(len(decoders))) for fit in part]
    seconds = time.perf_counter() - begun
    for decoder in decoders:
        decoder.close()
    if arguments.what == "decode":
        return seconds
    scorer.score(torch.from_numpy(np.stack(pixels[:BATCH])).float() / 255)
    begun = time.perf_counter()
    for start in range(0, len(pixels), BATCH):
        scorer.score(torch.from_numpy(np.stack(pixels[start : start + BATCH])).float() / 255)
    return time.perf_counter() - begun


def _boto3_reader(target: S3Target) -> Callable[[Any], bytes]:
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=target.concurrency))
    prefix = f"{target.prefix}/" if target.prefix else ""
    return lambda item: bytes(
        client.get_object(Bucket=target.bucket, Key=prefix + item.key)["Body"].read()
    )


if __name__ == "__main__":
    main()
