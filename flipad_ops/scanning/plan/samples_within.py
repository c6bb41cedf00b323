"""Targets in whose files samples lie: rows of a table, frames of animations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.errors import DataError, ObjectGone, TargetError, UsageError
from flipad_ops.scanning.plan.scan_request import ScanRequest
from flipad_ops.storage import LocalTarget, ManifestTarget, S3Target
from flipad_ops.storage.frames import FramesTarget
from flipad_ops.storage.manifest import NAMES
from flipad_ops.storage.s3_object import S3Object
from flipad_ops.storage.table_files import SUFFIXES, header, missing
from flipad_ops.storage.table_target import TableTarget
from flipad_ops.storage.target import Target

#: The columns that each attributor for rows of a table takes, by its label.
Wanted = dict[str, tuple[str, ...]]


def with_frames(request: ScanRequest) -> ScanRequest:
    """The request with frames of animations, if its selection asks for them."""
    frames, limit = request.selection.frames, request.limits.max_bytes
    if frames is None:
        return request
    return replace(request, targets=[
        FramesTarget(target, frames, limit)
        if isinstance(target, LocalTarget | ManifestTarget | S3Target) else target
        for target in request.targets
    ])  # fmt: skip


def with_tables(request: ScanRequest, scorers: Sequence[Scorer]) -> ScanRequest:
    """The request, with tables of samples in place of what looked like manifests.

    A file that has all columns of an attributor is a table of samples; else one with a column of
    addresses is a manifest.

    Raises
    ------
    UsageError
        It is neither.
    """
    wanted = {label(s): s.space.fields for s in scorers if s.space.fields}
    return replace(request, targets=[_told(target, wanted) for target in request.targets])


def _told(target: Target, wanted: Wanted) -> Target:
    file = _file(target, wanted)
    if file is None:
        return target
    try:
        names = header(file)
    except DataError as error:
        raise TargetError(str(error)) from error
    fits = [fields for fields in wanted.values() if not missing(fields, names)]
    if fits:
        every = dict.fromkeys(name for fields in fits for name in fields)
        return TableTarget(file if isinstance(file, S3Object) else target.uri, list(every))
    if isinstance(file, S3Object) or not set(NAMES) & set(names):
        raise UsageError(_neither(target.uri, names, wanted))
    return target


def _file(target: Target, wanted: Wanted) -> Path | S3Object | None:
    """What may be a table. In a bucket only where one is wanted, as asking costs requests."""
    if isinstance(target, ManifestTarget | LocalTarget):
        path = target.path
        return path if path.suffix in SUFFIXES and path.is_file() else None
    if isinstance(target, S3Target) and wanted and target.uri.endswith(SUFFIXES):
        with suppress(ObjectGone):  # a folder may be called like a table
            return S3Object(target.uri, target.access).pinned()
    return None


def _neither(uri: str, names: Sequence[str], wanted: Wanted) -> str:
    sentence = f"{uri} is no manifest (it has none of the columns {', '.join(NAMES)})"
    if not wanted:
        return f"{sentence}, and no attributor of this scan takes rows of a table."
    name, fields = next(iter(wanted.items()))
    lacking = missing(fields, names)
    shown = ", ".join(map(repr, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
    return f"{sentence} and no table of samples for {name} (it lacks {shown})."
