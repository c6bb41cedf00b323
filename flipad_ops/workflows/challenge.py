"""A new attributor and the current one on the same images, on none of which either was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.comparison import Comparison, compare, unseen_own
from flipad_ops.attribution.fitting import FitResult
from flipad_ops.attribution.foreign_images import ForeignSplit
from flipad_ops.common.errors import FlipadError
from flipad_ops.generators import SplitGenerator
from flipad_ops.registry.scorers import from_version
from flipad_ops.registry.second_witness import attach
from flipad_ops.registry.store import registry_errors
from flipad_ops.workflows.gathered import pixel_hashes

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Images of each kind at most; fewer where a second witness searches for each.
MOST = 500
#: Foreign images that neither was trained on, at least.
LEAST = 12
#: Scored together.
BATCH = 32
#: Artifact of a run: SHA-256 of the pixels of the foreign images that its fit trained on.
SEEN = "data/seen.txt"


def challenge(
    client: MlflowClient,
    result: FitResult,
    generator: SplitGenerator,
    champion: ModelVersion,
    *,
    device: str,
    allow_pickle: bool,
) -> Comparison | str:
    """Compare a fit with the current attributor of its generator version, or of its class.

    Own images are drawn anew; foreign ones are the fit's held-out test images, without those that
    the current attributor was trained on.

    Returns
    -------
    Comparison, or a sentence that says why there is none
    """
    where = f"{champion.name}/{champion.version}"
    if generator.latent.recorded is not None:
        return _not(where, "every fit shares the recorded samples out anew, so none is new to both")
    try:
        scorer = from_version(client, champion, device)
        silent = attach(client, scorer, device, allow_pickle)
        seen = seen_by(client, champion)
    except FlipadError as error:
        return _not(where, f"it cannot be loaded: {error}")
    other = scorer.attributor
    if silent:
        return _not(where, silent)
    if other.space != generator.space:
        return _not(where, "its samples are stored otherwise")
    if seen is None:
        return _not(where, "its run does not say which images it was trained on")
    new, settings = result.attributor, result.attributor.settings
    searching = [a for a in (new, other) if a.second is not None]
    count = min([MOST, *(a.settings.regeneration.foreign for a in searching)])
    foreign = _unseen(result.held_out_foreign, seen, count)
    if len(foreign) < LEAST:
        few = f"it was trained on all but {len(foreign)} of the held-out foreign images"
        return _not(where, few)
    own = unseen_own(generator, count, settings)
    pairs = [
        tuple(_attributed(attributor, images) for attributor in (new, other))
        for images in (own, foreign)
    ]
    return compare(where, (pairs[0][0], pairs[0][1]), (~pairs[1][0], ~pairs[1][1]))


def log_seen(splits: Mapping[str, ForeignSplit]) -> None:
    """Into the active run: hashes of the foreign images that a fit trains on.

    Those of the null are no part: p-values hang on them, and no decision about an image as made.
    """
    import mlflow

    hashes = {value for split in splits.values() for value in pixel_hashes(split.train)}
    with registry_errors():
        mlflow.log_text("\n".join(sorted(hashes)) + "\n", SEEN)


def log_comparison(comparison: Comparison) -> None:
    """Into the active run."""
    import mlflow

    interval = {name: getattr(comparison, name) for name in ("difference", "low", "high")}
    with registry_errors():
        mlflow.log_dict(comparison.to_dict(), "comparison.json")
        mlflow.log_metrics({f"champion/{name}": value for name, value in interval.items()})


def seen_by(client: MlflowClient, attributor: ModelVersion) -> set[str] | None:
    """Hashes that the fit of an attributor left; None if it left none, as earlier versions did."""
    folder, run_id = SEEN.partition("/")[0], str(attributor.run_id)
    with registry_errors(), tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
        if SEEN not in {item.path for item in client.list_artifacts(run_id, folder)}:
            return None
        path = client.download_artifacts(run_id, SEEN, temporary)
        return set(Path(path).read_text().split())


def _not(where: str, why: str) -> str:
    said = f"Not compared with {where} image by image, as {why.rstrip('.')}"
    return f"{said}; their recorded held-out figures decide."


def _unseen(held_out: Mapping[str, Tensor], seen: set[str], count: int) -> Tensor:
    """At most `count` images, of every source in turn."""
    kept = []
    for images in held_out.values():
        fresh = [n for n, value in enumerate(pixel_hashes(images)) if value not in seen]
        kept.append(images[fresh])
    turns = [images[n] for n in range(max(map(len, kept))) for images in kept if n < len(images)]
    return torch.stack(turns[:count]) if turns else torch.empty(0)


def _attributed(attributor: Attributor, images: Tensor) -> NDArray[np.bool_]:
    return np.concatenate(
        [attributor.score(part).attributed for part in torch.split(images, BATCH)]
    )
