"""What of a fit can be refused before torch, MLflow or a registry is touched."""

from __future__ import annotations

import math
from pathlib import Path

from flipad_ops.common.errors import UsageError
from flipad_ops.common.extras import need
from flipad_ops.registry.uris import parse_model
from flipad_ops.scanning.decisions.groups import grouping
from flipad_ops.storage import open_target
from flipad_ops.storage.table_files import SUFFIXES
from flipad_ops.workflows.fit_request import FitRequest


def check_request(request: FitRequest) -> None:
    """Look at everything but the registry; `uri` may be empty: many versions.

    Raises
    ------
    ExtraMissing
    UsageError
    """
    need("fit", "A fit")
    if request.data_docs:
        need("data-docs", "--data-docs")
    if request.uri:
        parse_model(request.uri)
    request.fit_settings()
    grouping(request.group)
    if not 0 <= request.patch_scale < math.inf:
        raise UsageError(f"The patch scale must be at least 0, not {request.patch_scale:g}.")
    for place in request.negatives:
        if place.endswith(".parquet"):
            need("tables", f"Reading {place}")
        if "://" in place:
            open_target(place)
        elif not (Path(place).is_dir() or (Path(place).is_file() and place.endswith(SUFFIXES))):
            raise UsageError(f"{place} is not a folder.")
