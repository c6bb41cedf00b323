"""Parquet: every row, in row groups, so that memory stays flat."""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO

from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome
from flipad_ops.scanning.outputs import OutputFormat
from flipad_ops.scanning.outputs.structured import flat, rows

GROUP = 20_000


def write_parquet(outcome: ScanOutcome, stream: BinaryIO) -> None:
    """The columns of the CSV, typed."""
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    text, number, flag = pa.string(), pa.float64(), pa.bool_()
    schema = pa.schema(
        {
            "key": text, "target": text, "size": pa.int64(), "outcome": text, "attributor": text,
            "reason": text, "sha256": text, "etag": text, "score": number, "p": number,
            "attributed": flag, "converged": flag, "q": number, "verdict": text, "why": text,
            "suppressed": text, "witnesses": text, "alteration": text, "remade_ratio": number,
            "remade_psnr": number, "latent_sha256": text, "empirical_p": number,
        }
    )  # fmt: skip
    records = map(flat, rows(outcome))
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        while group := list(islice(records, GROUP)):
            for record in group:
                record["key"] = record["key"].encode("utf-8", "replace").decode()
            writer.write_table(pa.Table.from_pylist(group, schema))


PARQUET = OutputFormat(write_parquet, binary=True)
