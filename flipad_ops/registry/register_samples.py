"""Register a folder of own samples as the version of a generator whose weights are elsewhere."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from flipad_ops.common.errors import UsageError
from flipad_ops.generators import split_generator
from flipad_ops.registry import tags as keys
from flipad_ops.registry.model_folder import JSON_NAME
from flipad_ops.registry.registering import ensure_model, quiet_mlflow
from flipad_ops.registry.store import registry_errors, tracking
from flipad_ops.registry.uris import parse_model
from flipad_ops.storage.image_folder import load_commonest

FILE = "samples.safetensors"


def register_samples(
    name: str, folder: Path, *, bits: int = 8, tracking_uri: str | None = None
) -> tuple[str, int, int]:
    """Log the folder's images of the commonest size and register them as one version.

    Returns
    -------
    version : str
    used, left_out : int
        Images registered; files of other sizes or unreadable.

    Raises
    ------
    UsageError, DataError, NotAttributable
    """
    ref = parse_model(name)
    if ref.version or ref.alias or ref.name.endswith(keys.SUFFIX):
        raise UsageError(f"{name!r} is no name for a new generator: give a plain name.")
    loaded = load_commonest(folder, bits)
    stored = torch.from_numpy(loaded.space.to_stored(loaded.images))
    metadata = {"samples": FILE, "bits": bits}
    split = split_generator(
        lambda latents: latents, metadata, state={"samples": stored}, latents=loaded.images * 2 - 1
    )
    tags = keys.hashes_of(split)
    with (
        tempfile.TemporaryDirectory(prefix="flipad-") as temporary,
        tracking(tracking_uri) as client,
        registry_errors(ref.name),
        quiet_mlflow(),
    ):
        import mlflow

        save_file({"samples": stored}, Path(temporary) / FILE)
        (Path(temporary) / JSON_NAME).write_text(json.dumps(metadata), encoding="utf-8")
        ensure_model(client, ref.name)
        with mlflow.start_run(run_name=f"samples of {ref.name}") as run:
            mlflow.log_artifacts(temporary, "samples")
        version = client.create_model_version(
            ref.name, f"{run.info.artifact_uri}/samples", run_id=run.info.run_id, tags=tags
        )
    return str(version.version), len(loaded), len(loaded.skipped)
