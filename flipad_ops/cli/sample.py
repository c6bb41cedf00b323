"""`flipadops sample`: own samples as files, for a look or for a test of a scan."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def sample(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION", metavar="MODEL")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the PNG files; for a table a .csv file.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many images.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 1_000_003,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Load a pickled model whose owner opted in.")
    ] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow server or store.")
    ] = None,
) -> None:
    """Draw samples from a registered generator: PNG files of its bits, or rows of a CSV file."""
    from flipad_ops.common.errors import UsageError
    from flipad_ops.generators import SIXTEEN_BIT
    from flipad_ops.registry.generators import load_generator
    from flipad_ops.samples.png import save_deep_png, save_png

    generator = load_generator(
        uri, device=device, allow_pickle=allow_pickle, tracking_uri=tracking_uri
    )
    if generator.columns is not None:
        import pandas as pd

        values = generator.columns.to_values(generator.sample(count, seed).numpy())
        try:
            pd.DataFrame(values, columns=generator.columns.names).to_csv(out, index=False)
        except OSError as error:
            raise UsageError(f"Cannot write {out}: {error.strerror}.") from error
        sys.stderr.write(f"{count} rows written to {out}\n")
        return
    if len(generator.sample_shape) != 3:
        raise UsageError(f"Samples of shape {list(generator.sample_shape)} are not images.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot make folder {out}: {error.strerror}.") from error
    for index, image in enumerate(generator.sample(count, seed)):
        save = save_deep_png if generator.grid == SIXTEEN_BIT else save_png
        save(image, out / f"{generator.name}-v{generator.version}-{seed}-{index:05d}.png")
    sys.stderr.write(f"{count} images written to {out}\n")
