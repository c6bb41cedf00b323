"""How large the stages of a scan are, and what decodes for it."""

from __future__ import annotations

from collections.abc import Sequence

from flipad_ops.attribution.scorer import Scorer
from flipad_ops.samples.decoder import DecodeJob, Decoder, InlineDecoder
from flipad_ops.samples.decoding_client import WorkerDecoder
from flipad_ops.samples.space import SampleSpace
from flipad_ops.scanning.pipeline.pipeline import Plumbing
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage.target import Target

#: Decoded pixels waiting to be scored, in bytes, decide how many objects may be under way.
PIXEL_BYTES = 256_000_000


def sample_spaces(scorers: Sequence[Scorer]) -> tuple[SampleSpace, ...]:
    """What files are decoded to, each once."""
    return tuple(dict.fromkeys(scorer.space for scorer in scorers))


def make_decoders(request: ScanPlan, spaces: tuple[SampleSpace, ...]) -> list[Decoder]:
    """As many decoders as the request has processes; without any, one in this process."""
    job = DecodeJob(spaces, request.size_rule, request.limits)
    decoders: list[Decoder] = [
        WorkerDecoder(job, request.decode_seconds) for _ in range(request.processes)
    ]
    return decoders or [InlineDecoder(job)]


def plumbing(
    request: ScanPlan, spaces: tuple[SampleSpace, ...], targets: Sequence[Target]
) -> Plumbing:
    """Sizes for samples of these kinds."""
    return Plumbing(
        fetchers=max(target.concurrency for target in targets),
        window=window(request, spaces),
        max_bytes=request.limits.max_bytes,
    )


def window(request: ScanPlan, spaces: tuple[SampleSpace, ...], workers: int = 1) -> int:
    """Images that may be under way: two batches a worker at least, four where memory allows."""
    image, batch = max(1, sum(space.nbytes for space in spaces)), request.batch_size
    return max(2 * workers * batch, min(workers * (4 * batch + 64), PIXEL_BYTES // image))
