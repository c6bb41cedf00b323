"""Valid inputs of every reader, to begin from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.fitting import fit_attributor
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.attribution.serialisation import JSON_NAME, TENSORS_NAME, save_attributor
from flipad_ops.attribution.testimony import to_text
from flipad_ops.detection import DeepSadSettings
from flipad_ops.generators import split_generator
from flipad_ops.inversion import InversionSettings
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outputs import write_outputs
from flipad_ops.scanning.pipeline.run import ScanPlan, run_scan
from flipad_ops.storage import open_target
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP
from tests.attribution.test_testimony import said
from tests.bad_inputs.images import CASES, frames, saved
from tests.fuzz.targets import CUT, FINGERPRINT
from tests.generators.toys import dcgan16
from tests.scanning.fakes import DarkIsOurs
from tests.scanning.pipeline.test_pipeline import png
from tests.scanning.remaking import Enlarger

RECORDS = [
    {"key": "a.png", "size": 100, "etag": "e", "modified": 1.5},
    {"key": "s3://bucket/b.png", "size": 7, "etag": "", "modified": 2.5},
]
IGNORE = f"""- sha256: {"a" * 64}
  attributor: dark/1
  reason: "a licence"
  expires: 2027-01-31
"""
TOML = """[hooks]
include = ["a*", "b"]
poll = 2.0
attempts = 3
status_page = true
[hooks.fit]
recipe = "default"
seed = 3
fnr = 0.01
negatives = ["photos"]
[hooks.fit.settings]
own_train = 60
[hooks.fit.settings.detector]
dim = 8
[[schedule]]
name = "nightly"
cron = "5 2 * * 1-5"
targets = ["s3://bucket/a"]
outputs = ["html", "csv=x.csv"]
timezone = "Europe/Berlin"
jitter = 3
time_limit = 60.5
keep = 3
"""


def images(folder: Path) -> list[bytes]:
    """Small files of the six formats, and the damaged ones that are small."""
    good = [saved(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")]
    good += [frames("GIF", 3), frames("WEBP", 3), saved("JPEG", progressive=True)]
    names = ("PNG: 4", "PNG: one line", "PNG: compressed", "GIF: 2,000", "PNG: too many")
    odd = [make() for name, make, *_ in CASES if not name.startswith(names)]
    return good + [data for data in odd if len(data) < 4000]


def table_csv(folder: Path) -> list[bytes]:
    """A header and two rows."""
    lines = [",".join(RECORDS[0]), *(",".join(map(str, row.values())) for row in RECORDS)]
    return ["\n".join(lines).encode()]


def jsonl(folder: Path) -> list[bytes]:
    """Two records."""
    return ["\n".join(json.dumps(record) for record in RECORDS).encode()]


def parquet(folder: Path) -> list[bytes]:
    """The records in two encodings, and one with other types."""
    made = []
    dated = [{**record, "modified": None, "size": 2.5} for record in RECORDS]
    for rows, options in ((RECORDS, {}), (RECORDS, {"compression": "zstd"}),
                          (dated, {"use_dictionary": False})):  # fmt: skip
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file, **options)
        made.append(file.getvalue())
    return made


@cache
def _attributor(folder: Path) -> bytes:
    split, sibling = (
        split_generator(dcgan16(seed=n), {"latent": {"shape": [4, 1, 1]}}) for n in (0, 1)
    )
    settings = FitSettings(
        inversion=InversionSettings(max_iterations=20, tolerance=0.1),
        detector=DeepSadSettings(dim=4, epochs=1, batch_size=16),
        own_train=60, own_calibration=40, own_test=24, anchor_samples=32, channels=4,
        students=1, student_steps=2, min_negatives=20, max_negatives=100, more_null=0,
    )  # fmt: skip
    fitted = fit_attributor(split, {"sibling": ForeignImages(sibling.sample(60, seed=1))}, settings)
    place = save_attributor(fitted.attributor, folder / "attributor")
    return (place / JSON_NAME).read_bytes() + CUT + (place / TENSORS_NAME).read_bytes()


def attributors(folder: Path) -> list[bytes]:
    """One that was fitted just now."""
    return [_attributor(folder)]


def _found(folder: Path) -> Path:
    place = folder / "found"
    place.mkdir(exist_ok=True)
    (place / "a.png").write_bytes(png(0.05, 1))
    (place / "b.png").write_bytes(png(0.7, 2))
    (place / "c.png").write_bytes(b"PK\x03\x04")
    return place


def saved_scans(folder: Path) -> list[bytes]:
    """A finding, a clear image and a skipped one, by one witness and by two."""
    request = ScanPlan([open_target(str(_found(folder)))], workers=0)
    made = []
    for scorer in (DarkIsOurs(nulls=9), Enlarger()):
        outcome = run_scan(request, [scorer])  # type: ignore[list-item]
        write_outputs(outcome, [("jsonl", folder / "seed.jsonl")])
        made.append((folder / "seed.jsonl").read_bytes())
    return made


def testimonies(folder: Path) -> list[bytes]:
    """One with a latent."""
    return [str(to_text(said())).encode()]


def ledgers(folder: Path) -> list[bytes]:
    """An empty one, and one of a finished scan."""
    request = ScanPlan([open_target(str(_found(folder)))], workers=0)
    made = []
    for name, scan in (("empty", False), ("full", True)):
        path = folder / f"{name}.db"
        path.unlink(missing_ok=True)
        ledger = SqliteLedger(path)
        if scan:
            run_scan(request, [DarkIsOurs(nulls=9)], ledger=ledger)  # type: ignore[list-item]
            # So that the target's own choice of filters is the one that stands in the file.
            text = json.dumps(FINGERPRINT, sort_keys=True)
            ledger._db.execute("UPDATE meta SET value = ?", [text])
            ledger._db.commit()
        else:
            ledger.begin(FINGERPRINT)
        ledger._db.execute("PRAGMA journal_mode = DELETE")
        ledger.close()
        made.append(path.read_bytes())
    return made


def deliveries(folder: Path) -> list[bytes]:
    """An event that names a version, signed; one of a forger; one without a length."""
    data = {"name": "faces", "version": "3", "run_id": None}
    body = json.dumps({"entity": "model_version", "action": "created", "data": data}).encode()
    made = []
    for signature, length in (("sign", f"Content-Length: {len(body)}\n"), ("v1,no", ""),
                              ("sign", "")):  # fmt: skip
        head = f"{ID}: d-1\n{TIMESTAMP}: 1000\n{SIGNATURE}: {signature}\n{length}"
        made.append(head.encode() + CUT + body)
    return made


def _text(content: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [content.encode()]


SEEDS: dict[str, Callable[[Path], list[bytes]]] = {
    "image": images,
    "manifest-csv": table_csv,
    "manifest-jsonl": jsonl,
    "manifest-parquet": parquet,
    "table-csv": table_csv,
    "table-parquet": parquet,
    "attributor": attributors,
    "ledger": ledgers,
    "ignore-file": _text(IGNORE),
    "hooks-config": _text(TOML),
    "delivery": deliveries,
    "saved-scan": saved_scans,
    "testimony": testimonies,
}
