"""Targets in whose files samples lie: rows of a table, frames of animations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flipad_ops.attribution.scorer import Scorer, label
from flipad_ops.common.errors import DataError, TargetError, UsageError
from flipad_ops.scanning.plan.scan_plan import ScanPlan
from flipad_ops.storage.frames import FramesTarget
from flipad_ops.storage.manifest import NAMES
from flipad_ops.storage.table_files import header, missing
from flipad_ops.storage.table_target import TableTarget
from flipad_ops.storage.target import Target

#: The columns that each attributor for rows of a table takes, by its label.
Wanted = dict[str, tuple[str, ...]]


def with_frames(request: ScanPlan) -> ScanPlan:
    """The request with frames of animations, if its selection asks for them."""
    frames, limit = request.selection.frames, request.limits.max_bytes
    if frames is None:
        return request
    return replace(request, targets=[
        FramesTarget(target, frames, limit) if target.holds_files else target
        for target in request.targets
    ])  # fmt: skip


def with_tables(request: ScanPlan, scorers: Sequence[Scorer]) -> ScanPlan:
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
    remote = "://" in target.uri
    # A remote one is asked only where a table is wanted, as that costs requests.
    file = target.table() if wanted or not remote else None
    if file is None:
        return target
    try:
        names = header(file)
    except DataError as error:
        raise TargetError(str(error)) from error
    fits = [fields for fields in wanted.values() if not missing(fields, names)]
    if fits:
        every = dict.fromkeys(name for fields in fits for name in fields)
        return TableTarget(file, list(every), target.uri)
    if remote or not set(NAMES) & set(names):
        raise UsageError(_neither(target.uri, names, wanted))
    return target


def _neither(uri: str, names: Sequence[str], wanted: Wanted) -> str:
    sentence = f"{uri} is no manifest (it has none of the columns {', '.join(NAMES)})"
    if not wanted:
        return f"{sentence}, and no attributor of this scan takes rows of a table."
    name, fields = next(iter(wanted.items()))
    lacking = missing(fields, names)
    shown = ", ".join(map(repr, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
    return f"{sentence} and no table of samples for {name} (it lacks {shown})."
