"""Parquet: every row, in row groups, so that memory stays flat."""

from __future__ import annotations

from itertools import islice
from typing import Any, BinaryIO

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
            group = [{name: _text(value) for name, value in row.items()} for row in group]
            writer.write_table(pa.Table.from_pylist(group, schema))


def _text(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


PARQUET = OutputFormat(write_parquet, binary=True, extra="tables")
