"""Gather foreign images: folders, S3 prefixes, other versions, other registered models."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import MIN_PER_SOURCE, RESERVED
from flipad_ops.attribution.inversion_runs import Progress
from flipad_ops.common.errors import (
    DataError,
    GeneratorError,
    NegativesTooFew,
    NotAnImage,
    UsageError,
)
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry import tags
from flipad_ops.registry.generators import load_version
from flipad_ops.registry.inventory import list_versions
from flipad_ops.registry.store import registry_errors
from flipad_ops.registry.uris import parse_model, quoted, resolve
from flipad_ops.samples.row import write_row
from flipad_ops.scanning.decisions.groups import grouping
from flipad_ops.storage.image_folder import image_files, load_folder
from flipad_ops.storage.table_files import SUFFIXES, blocks, header, missing
from flipad_ops.workflows.bucket_images import load_prefix
from flipad_ops.workflows.fit_request import FitRequest
from flipad_ops.workflows.flat_patches import flat_said
from flipad_ops.workflows.gathered import Gathered, pixel_hashes

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Registered versions sampled besides those that are named.
MAX_VERSIONS = 6
#: Images beyond `max_negatives` are gathered as long as all of them fit in here.
MAX_BYTES = 2 << 30


def gather(
    client: MlflowClient,
    generator: SplitGenerator,
    request: FitRequest,
    settings: FitSettings,
    own: Tensor,
    progress: Progress,
) -> Gathered:
    """Collect foreign images for a fit, none of them among its `own` (n, *sample_shape).

    What is named, and other versions of the registry unless the request leaves them out: a fit
    that saw photographs alone takes most images of a relative for its own.

    Raises
    ------
    UsageError, TargetError, DataError
        A named folder or prefix is missing, cannot be read or holds no usable image.
    GeneratorError
        A named model cannot be sampled. (Unnamed ones are left out with a note.)
    NegativesTooFew
        Nothing was found at all.
    """
    found = Gathered(group=grouping(request.group, str))
    for place in request.negatives:
        if generator.space.fields or ("://" not in place and Path(place).is_file()):
            _table(found, place, generator, settings)
        else:
            read = _prefix if "://" in place else _folder
            read(found, place, generator, settings, request.patch_scale)
        progress("negatives", len(found.images), 0)
    named = [resolve(client, parse_model(text)) for text in request.negatives_models]
    others = [(version, True) for version in named]
    if request.registry:
        known = {(version.name, str(version.version)) for version in named}
        others += [
            (version, False)
            for version in other_versions(client, generator.name, generator.version)
            if (version.name, str(version.version)) not in known
        ]
    count = math.ceil(
        most_images(generator, settings) / max(len(request.negatives) + len(others), 1)
    )
    for position, (version, wanted) in enumerate(others):
        _sample(client, found, generator, version, max(count, MIN_PER_SOURCE), request, wanted)
        progress("negatives", len(request.negatives) + position + 1, 0)
    found.drop(set(pixel_hashes(own)))
    if not found.images:
        why = f" ({found.notes[0]})" if found.notes else ""
        raise NegativesTooFew(
            f"There is no foreign image to fit against{why}: name a folder with --negatives or "
            "register another version."
        )
    return found


def other_versions(client: MlflowClient, name: str, version: str) -> list[ModelVersion]:
    """Versions to sample unnamed: this model's newest others, then other models' newest."""
    with registry_errors():
        mine = client.search_model_versions(
            f"name = {quoted(name)}", order_by=["version_number DESC"], max_results=50
        )
    newest: dict[str, ModelVersion] = {}
    for other in list_versions(client):
        if other.name == name or tags.is_attributor(other.tags):
            continue
        if other.name not in newest or int(other.version) > int(newest[other.name].version):
            newest[other.name] = other
    siblings = [other for other in mine if str(other.version) != version]
    foreign = [newest[key] for key in sorted(newest)]
    # Half for each kind, and what one leaves over to the other.
    half = max(MAX_VERSIONS // 2, MAX_VERSIONS - len(foreign))
    chosen = siblings[:half]
    return chosen + foreign[: MAX_VERSIONS - len(chosen)]


def most_images(generator: SplitGenerator, settings: FitSettings) -> int:
    """How many foreign images are worth gathering: what training takes and more for the null."""
    bytes_each = 4 * math.prod(generator.sample_shape)
    return max(
        settings.max_negatives,
        min(settings.max_negatives + settings.more_null, MAX_BYTES // bytes_each),
    )


def check_samples(generator: SplitGenerator) -> None:
    """Raise a UsageError when samples are neither images nor rows with named columns."""
    if why := generator.why_in_no_file:
        raise UsageError(
            f"{why} For rows of a table state the columns in the metadata (flipadops register "
            "--columns), for an image that comes in a row its image_shape; the library "
            "(flipad_ops.attribution.fitting) fits any."
        )


def _table(found: Gathered, place: str, generator: SplitGenerator, settings: FitSettings) -> None:
    space, path = generator.space, Path(place)
    if not space.fields or path.suffix not in SUFFIXES or not path.is_file():
        takes = "a table (.csv, .parquet)" if space.fields else "a folder or s3://..."
        raise UsageError(f"{place} cannot give negatives: this generator needs {takes}.")
    lacking = missing(space.fields, header(path))
    if lacking:
        raise DataError(f"{place} lacks the column {lacking[0]!r} of the generator.")
    usable, unusable = [], 0
    for block in blocks(path, space.fields):
        for row in block.rows:
            try:
                usable.append(space.take(write_row(row), None, "reject")[0])
            except NotAnImage:
                unusable += 1
    if not usable:
        raise DataError(f"{place} holds no row with a number in every column of the generator.")
    rows = space.to_tensor(np.stack(usable))
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(settings.seed))
    name = _unused(found, path.name)
    found.files[name] = (len(usable), unusable)
    kept = rows[chosen[: most_images(generator, settings)].sort().values]
    found.add(name, f"table {path.name}", space.grid.round(kept), None)


def _folder(
    found: Gathered,
    folder: str,
    generator: SplitGenerator,
    settings: FitSettings,
    scale: float,
) -> None:
    loaded = load_folder(
        folder, generator.space, most_images(generator, settings), settings.seed, patches=True,
        scale=scale,
    )  # fmt: skip
    groups = [name.rsplit("#", 1)[0] for name in loaded.names]
    name = _unused(found, Path(folder).resolve().name)
    unusable = len(loaded.skipped)
    found.files[name] = (len(image_files(Path(folder))) - unusable, unusable)
    found.notes += flat_said(name, loaded.images, groups)
    found.add(name, f"folder {name}", loaded.images, groups)


def _prefix(
    found: Gathered, uri: str, generator: SplitGenerator, settings: FitSettings, scale: float
) -> None:
    loaded = load_prefix(
        uri, generator.space, most_images(generator, settings), settings.seed, scale=scale
    )
    name = _unused(found, uri.partition("://")[2].strip("/"))
    found.files[name] = (loaded.usable, loaded.unusable)
    groups = list(loaded.images.groups or ())
    found.notes += [*loaded.notes, *flat_said(name, loaded.images.images, groups)]
    found.add(name, uri, loaded.images.images, groups)


def _sample(
    client: MlflowClient,
    found: Gathered,
    generator: SplitGenerator,
    version: ModelVersion,
    count: int,
    request: FitRequest,
    named: bool,
) -> None:
    name = f"{version.name}/{version.version}"
    try:
        other = load_version(
            client, version, device=request.device, allow_pickle=request.allow_pickle
        )
    except GeneratorError as error:
        if named:
            raise
        found.notes.append(f"{name} left out: {error}")
        return
    reason = ""
    if other.sample_shape != generator.sample_shape:
        reason = f"its samples are {list(other.sample_shape)}"
    elif other.space != generator.space:
        reason = "its samples are stored otherwise (bits, or columns of a table)"
    elif other.layer.sha256() == generator.layer.sha256():
        reason = "it shares the final layer and cannot be told apart"
    if reason and named:
        raise UsageError(f"{name} cannot serve as negatives: {reason}.")
    if reason:
        found.notes.append(f"{name} left out: {reason}")
        return
    # Another seed than the fit's own, so that two versions never share latents.
    seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    sibling = version.name == generator.name
    images = other.sample(other.latent.at_most(count), seed)
    distinct = len(set(pixel_hashes(images)))
    if distinct < MIN_PER_SOURCE and not named:  # no reason to refuse this model's fit
        found.notes.append(f"{name} left out: it gives {distinct} different images")
        return
    found.add(_unused(found, name), f"models:/{name}", images, None, sibling, generated=True)


def _unused(found: Gathered, name: str) -> str:
    base = re.sub(r"[^\w./ -]+", "-", name).strip() or "folder"
    if base in RESERVED:
        base = f"{base}-folder"  # "own" is the generator itself in every table
    candidates = (base if n == 1 else f"{base}-{n}" for n in range(1, 10_000))
    return next(name for name in candidates if name not in found.images)
