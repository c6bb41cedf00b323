"""One function a reader: bytes that somebody else wrote, and a folder to put them in.

Each raises only what its caller expects: `FlipadError`, or what `EXPECTED` names.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from flipad_ops.attribution.serialisation import (
    JSON_NAME,
    TENSORS_NAME,
    _file_sha256,
    load_attributor,
)
from flipad_ops.attribution.testimony import from_text as testimony_from_text
from flipad_ops.attribution.testimony import to_text as testimony_to_text
from flipad_ops.common.untrusted_json import parse
from flipad_ops.samples.decode import DecodeLimits, decode
from flipad_ops.scanning.ledger.sqlite_ledger import SqliteLedger
from flipad_ops.scanning.outcome.saved import load_outcome, saved_findings
from flipad_ops.scanning.outcome.suppress import read_ignore_file
from flipad_ops.storage.manifest import ManifestTarget
from flipad_ops.storage.table_files import blocks, header
from registry_hooks.hook_settings import load_settings
from registry_hooks.receiver import TooLarge, _new_versions, _read
from registry_hooks.schedules import load_schedules
from registry_hooks.signature import ID, SIGNATURE, TIMESTAMP, Forged, sign, verify

Reader = Callable[[bytes, Path], None]
SECRET = "a secret of some length"
#: Between the parts of an input that has several.
CUT = b"\n=====\n"
FINGERPRINT: dict[str, Any] = {"limit": None, "models": {"dark/1": "a" * 64}}
_LIMITS = DecodeLimits(max_pixels=250_000)


def image(data: bytes, folder: Path) -> None:
    """Pixels of an image, or of one frame of it."""
    decode(data, _LIMITS)


def _manifest(name: str) -> Reader:
    def read(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        list(ManifestTarget(path).list())

    return read


def _table(name: str) -> Reader:
    def read(data: bytes, folder: Path) -> None:
        path = folder / name
        path.write_bytes(data)
        for _ in blocks(path, header(path)):
            pass

    return read


def attributor(data: bytes, folder: Path) -> None:
    """Both files of an attributor, by someone who keeps the hash right."""
    text, _, tensors = data.partition(CUT)
    (folder / TENSORS_NAME).write_bytes(tensors)
    try:
        fields = json.loads(text)
        if "tensors_sha256" in fields:
            fields["tensors_sha256"] = _file_sha256(folder / TENSORS_NAME)
            text = json.dumps(fields).encode()
    except (ValueError, TypeError, RecursionError):
        pass
    (folder / JSON_NAME).write_bytes(text)
    load_attributor(folder)


def ledger(data: bytes, folder: Path) -> None:
    """A ledger from its opening to the end of a run."""
    for old in folder.glob("ledger.db*"):
        old.unlink()
    path = folder / "ledger.db"
    path.write_bytes(data)
    opened = SqliteLedger(path)
    try:
        opened.begin(FINGERPRINT)
        if known := opened.reader():
            opened.keep("found", [(key, 0) for key in known.unchanged("found", {"a.png": "e"})])
            known.close()
        opened.by_content("dark/1", "b" * 64)
        for outcome in ("scored", "skipped", "failed"):
            list(opened.rows(outcome))
        opened.counts()
        opened.evidence("dark/1")
        list(opened.judged("dark/1", 0.01))
        opened.finish(complete=True)
    finally:
        opened._db.close()


def ignore_file(data: bytes, folder: Path) -> None:
    """Exceptions in YAML."""
    path = folder / "ignore.yaml"
    path.write_bytes(data)
    read_ignore_file(path)


def hooks_config(data: bytes, folder: Path) -> None:
    """`[hooks]` and `[[schedule]]`."""
    path = folder / "flipadops.toml"
    path.write_bytes(data)
    for load in (load_settings, load_schedules):
        load(path)


def delivery(data: bytes, folder: Path) -> None:
    """Headers and body of a delivery; who writes `sign` as its signature knows the secret."""
    head, _, body = data.partition(CUT)
    lines = [line.split(b": ", 1) for line in head.split(b"\n") if b": " in line]
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in lines}
    if named.get(SIGNATURE) == "sign":
        named[SIGNATURE] = sign(SECRET, named.get(ID, ""), named.get(TIMESTAMP, ""), body)
    raw = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in named.items()]
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Mapping[str, Any]:
        return parts.pop() if parts else {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": raw}, receive)  # type: ignore[arg-type]
    try:
        found = asyncio.run(_read(request))
    except (TooLarge, ClientDisconnect):
        return
    verify(SECRET, request.headers, found, 1000.0)
    try:
        event = parse(found)
    except ValueError:
        return
    for name, version in _new_versions(event):
        assert name.isprintable()
        assert 0 <= version < 2**31
        load_settings(None).wants(name)


def saved_scan(data: bytes, folder: Path) -> None:
    """A saved scan as `report`, `verify` and a baseline read it."""
    path = folder / "run.jsonl"
    path.write_bytes(data)
    list(saved_findings(path))
    outcome = load_outcome(path)
    for rows in (outcome.findings, outcome.skipped, outcome.failed):
        list(rows)


def testimony(data: bytes, folder: Path) -> None:
    """What a second witness said, and its latent; what is accepted can be written again."""
    said = testimony_from_text(data.decode("utf-8", "replace"))
    if said is not None:
        testimony_to_text(said)
        said.latents()


TARGETS: dict[str, Reader] = {
    "image": image,
    "manifest-csv": _manifest("m.csv"),
    "manifest-jsonl": _manifest("m.jsonl"),
    "manifest-parquet": _manifest("m.parquet"),
    "table-csv": _table("t.csv"),
    "table-parquet": _table("t.parquet"),
    "attributor": attributor,
    "ledger": ledger,
    "ignore-file": ignore_file,
    "hooks-config": hooks_config,
    "delivery": delivery,
    "saved-scan": saved_scan,
    "testimony": testimony,
}
#: Besides `FlipadError`. Damage that SQLite meets only in the middle of a run is its own error.
EXPECTED: dict[str, type[Exception]] = {"delivery": Forged, "ledger": sqlite3.DatabaseError}
