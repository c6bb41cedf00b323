"""The stages of a scan one at a time, each with its input made beforehand; times in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flipad_ops.attribution.scorer import ScoreBatch, Scorer
from flipad_ops.samples.decode import DecodeLimits
from flipad_ops.samples.decoder import DecodeJob
from flipad_ops.samples.decoding_client import WorkerDecoder
from flipad_ops.scanning.pipeline.pipeline import CHUNK
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage import Item, S3Target
from flipad_ops.storage.s3.bucket import split_uri

BATCH = 64
MAX_BYTES = 50_000_000


class Weightless:
    """Scores nothing, as an infinitely fast accelerator would: leaves fetching and decoding."""

    name, version, threshold, p_floor = "weightless", "1", -1.0, 1e-3

    def __init__(self, scorer: Scorer) -> None:
        self.space, self.card = scorer.space, scorer.card

    def score(self, pixels: torch.Tensor, residual: bool = False) -> ScoreBatch:
        """Nothing is ours."""
        no = np.zeros(len(pixels), bool)
        return ScoreBatch(pixels.mean(dim=(1, 2, 3)).double().numpy(), np.ones(len(no)), no, ~no)


class Kit:
    """Objects to work on: listed, read and decoded once, so that each stage finds its input.

    Parameters
    ----------
    target : S3Target
        A whole bucket, or a folder with its slash.
    scorer : Scorer
    objects : int or None
    """

    def __init__(self, target: S3Target, scorer: Scorer, objects: int | None) -> None:
        self.target, self.scorer = target, scorer
        self.items: list[Item] = list(islice(target.list(), objects))
        self.blobs = self._read(lambda item: target.read(item, MAX_BYTES).data)
        job = DecodeJob((scorer.space,), "reject", DecodeLimits())
        self.decoders = [WorkerDecoder(job) for _ in range(ScanPlan([target]).processes)]
        self.pixels = self._decode()
        self._boto3 = boto3_reader(target)
        self._score(BATCH)

    def list(self) -> float:
        """List them."""
        begun = time.perf_counter()
        for _ in islice(self.target.list(), len(self.items)):
            pass
        return time.perf_counter() - begun

    def fetch(self) -> float:
        """Read them as a scan does."""
        begun = time.perf_counter()
        self._read(lambda item: self.target.read(item, MAX_BYTES).data)
        return time.perf_counter() - begun

    def fetch_boto3(self) -> float:
        """Read them with boto3, as many at a time."""
        begun = time.perf_counter()
        self._read(self._boto3)
        return time.perf_counter() - begun

    def decode(self) -> float:
        """Decode them in processes that have started."""
        begun = time.perf_counter()
        self._decode()
        return time.perf_counter() - begun

    def score(self) -> float:
        """Score them."""
        begun = time.perf_counter()
        self._score(len(self.pixels))
        return time.perf_counter() - begun

    def _read(self, read: Callable[[Item], bytes]) -> list[bytes]:
        with ThreadPoolExecutor(self.target.concurrency) as pool:
            return [*pool.map(read, self.items)]

    def _decode(self) -> list[NDArray[np.uint8]]:
        chunks = [self.blobs[i : i + CHUNK] for i in range(0, len(self.blobs), CHUNK)]

        def share(place: int) -> Any:
            mine = chunks[place :: len(self.decoders)]
            return [r.fits[0] for chunk in mine for r in self.decoders[place].decode(chunk)]

        with ThreadPoolExecutor(len(self.decoders)) as pool:
            return [fit for part in pool.map(share, range(len(self.decoders))) for fit in part]

    def _score(self, count: int) -> None:
        for start in range(0, count, BATCH):
            batch = np.stack(self.pixels[start : min(start + BATCH, count)])
            self.scorer.score(torch.from_numpy(batch).float() / 255)


def boto3_reader(target: S3Target) -> Callable[[Item], bytes]:
    """Reads an object with a boto3 client that keeps its connections."""
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=target.concurrency))
    bucket, folder = split_uri(target.uri)
    return lambda item: bytes(
        client.get_object(Bucket=bucket, Key=folder + item.key)["Body"].read()
    )
