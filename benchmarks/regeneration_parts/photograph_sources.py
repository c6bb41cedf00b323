"""Real photographs that packages install: whose files, which of them, how they are read.

Drawings, renderings and screenshots are left out by name: every picture of the packages' versions
below was looked at, and these are the photographs. A picture with a short side under SHORTEST
pixels is left out too (thumbnails, icons).

Debian 12: mate-backgrounds 1.26.0, plasma-workspace-wallpapers 5.27.5, lomiri-wallpapers-16.04 and
-20.04 20.04.0, opencv-doc 4.6.0, gcompris-qt-data 3.1 (its resource files hold WebP pictures as
they are). gnome-backgrounds 43.1, ukui-wallpapers 20.04.3 and sway-backgrounds 1.7 hold none.
Python: scikit-image 0.26, scikit-learn, Matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

SHORTEST = 256
_SHARE = Path("/usr/share")

#: Names without suffix below a folder, by package.
_DEBIAN: dict[str, tuple[Path, str]] = {
    "mate": (
        _SHARE / "backgrounds" / "mate" / "nature",
        "Aqua Blinds Dune FreshFlower Garden GreenMeadow LadyBird RainDrops Storm TwoWings Wood "
        "YellowFlower",
    ),
    "lomiri": (
        _SHARE / "backgrounds",
        "Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Kleiber_by_Lukas_Baubkus "
        "Picture_0B_by_freespace Picture_1A_by_freespace Wine_by_Jakkub_Mede "
        "aitzgorri_by_Aitzol_Berasategi free_by_Peter_Nerlich friends_by_Aitzol_Berasategi "
        "life_by_Aitzol_Berasategi picosdeeuropa_by_Aitzol_Berasategi "
        "seeding_by_Clements_Engelhardt sunset_by_Aitzol_Berasategi",
    ),
    "opencv": (
        _SHARE / "doc" / "opencv-doc" / "examples",
        "data/aero1 data/aero3 data/aloeL data/aloeR data/apple data/baboon data/basketball1 "
        "data/basketball2 data/board data/box_in_scene data/building data/butterfly "
        "data/chicky_512 data/ela_original data/fruits data/graf1 data/home data/left data/left01 "
        "data/left02 data/leuvenA data/leuvenB data/messi5 data/orange data/rubberwhale1 "
        "data/rubberwhale2 data/squirrel_cls data/stuff alphamat/input_images/plant hfs/data/001 "
        "hfs/data/002 reg/home text/scenetext01 text/scenetext02 text/scenetext03 "
        "text/scenetext04 text/scenetext05 text/scenetext06",
    ),
}
#: In several sizes and shapes each, one folder a picture.
_PLASMA = (
    "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut "
    "Path summer_1am"
)
#: Activities all of whose larger pictures are photographs.
_GCOMPRIS = "erase explore_monuments explore_world_music explore_world_animals explore_farm_animals"
_PYTHON: dict[str, tuple[str, str]] = {
    "skimage": (
        "data",
        "astronaut brick camera chelsea coffee coins grass gravel hubble_deep_field moon "
        "motorcycle_left motorcycle_right retina rocket",
    ),
    "sklearn": ("datasets/images", "china flower"),
    "matplotlib": ("mpl-data/sample_data", "grace_hopper"),
}
_SUFFIXES = (".jpg", ".png", ".webp", ".avif", ".jxl")
#: OpenCV's shots of one scene, told apart by what follows.
_SAME_SCENE = re.compile(
    r"(aloe|leuven|basketball|rubberwhale|left0|motorcycle_)(L|R|A|B|\d|left|right)$"
)


@dataclass(frozen=True)
class Picture:
    """One file, or one blob of a file.

    Parameters
    ----------
    scene : str
        "package/name"; pictures of one scene (another size, another eye of a stereo camera) share
        it where names tell.
    open : callable, () -> Image
        Lazily opened.
    """

    scene: str
    name: str
    open: Callable[[], Image.Image]


def pictures() -> list[Picture]:
    """All that are installed here, in an order that does not depend on the file system."""
    found = [picture for picture in (*_named(), *_plasma(), *_gcompris()) if _large(picture)]
    return sorted(found, key=lambda picture: picture.name)


def _named() -> Iterator[Picture]:
    folders = dict(_DEBIAN)
    for package, (below, names) in _PYTHON.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folders[package] = (Path(spec.origin).parent / below, names)
    for package, (folder, names) in folders.items():
        for name in names.split():
            for path in (folder / f"{name}{suffix}" for suffix in _SUFFIXES):
                if path.exists():
                    full = f"{package}/{name}"
                    yield Picture(_SAME_SCENE.sub(r"\1", full), full, partial(Image.open, path))
                    break


def _plasma() -> Iterator[Picture]:
    for name in _PLASMA.split():
        for path in sorted((_SHARE / "wallpapers" / name / "contents").rglob("*.jpg")):
            yield Picture(f"plasma/{name}", f"plasma/{name}/{path.stem}", partial(Image.open, path))


def _gcompris() -> Iterator[Picture]:
    for activity in _GCOMPRIS.split():
        path = _SHARE / "gcompris-qt" / "rcc" / f"{activity}.rcc"
        if path.exists():
            for index, blob in enumerate(webp_blobs(path.read_bytes())):
                name = f"gcompris/{activity}/{index}"
                yield Picture(name, name, partial(_opened, blob))


def webp_blobs(resource: bytes) -> list[bytes]:
    """The WebP files inside a Qt resource, which holds what does not compress as it is."""
    starts = (match.start() for match in re.finditer(rb"RIFF.{4}WEBP", resource, re.DOTALL))
    return [
        resource[start : start + 8 + int.from_bytes(resource[start + 4 : start + 8], "little")]
        for start in starts
    ]


def _opened(blob: bytes) -> Image.Image:
    return Image.open(io.BytesIO(blob))


def _large(picture: Picture) -> bool:
    """By the header alone; what Pillow cannot read counts as absent."""
    try:
        with picture.open() as image:
            return min(image.size) >= SHORTEST
    except (OSError, Image.DecompressionBombError):
        return False
