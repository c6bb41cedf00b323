"""Folders of foreign images: whole, limited, and as patches; PNG round trips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flipad_ops.common.errors import DataError, UsageError
from flipad_ops.samples.decode import decode
from flipad_ops.samples.image_space import DeepImages, Images
from flipad_ops.samples.png import data_uri, encode_png, save_png, thumbnail_uri, to_uint8
from flipad_ops.storage.image_folder import load_commonest, load_folder

IMAGES = Images((3, 8, 8))
SPACES = {8: Images, 16: DeepImages}


def fill(folder: Path, count: int, height: int = 8, width: int = 8) -> None:
    rng = np.random.default_rng(0)
    for i in range(count):
        save_png(torch.from_numpy(rng.random((3, height, width))), folder / f"s{i % 2}/{i:02}.png")


def test_whole_images_on_the_grid_in_name_order(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.png").write_text("x")
    found = load_folder(tmp_path, IMAGES)
    assert len(found) == 5
    assert list(found.names) == sorted(found.names)
    assert [name for name, _ in found.skipped] == ["notes.txt"]
    grid = found.images * 255
    torch.testing.assert_close(grid, grid.round(), atol=1e-4, rtol=0)
    assert found.images.dtype == torch.float32


def test_limit_is_a_seeded_draw(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    first, again = (load_folder(tmp_path, IMAGES, limit=4, seed=3) for _ in range(2))
    assert first.names == again.names
    assert len(first) == 4
    assert first.names != load_folder(tmp_path, IMAGES, limit=4, seed=4).names


def test_patches_tile_first_and_then_random(tmp_path: Path) -> None:
    fill(tmp_path, 1, 20, 17)
    Image.new("RGB", (3, 3)).save(tmp_path / "small.png")
    tiles = load_folder(tmp_path, IMAGES, patches=True)
    assert [n.split("#")[1] for n in tiles.names] == ["0,0", "0,8", "8,0", "8,8"]
    assert tiles.skipped[0][0] == "small.png"
    assert len(load_folder(tmp_path, IMAGES, limit=3, patches=True)) == 3
    many = load_folder(tmp_path, IMAGES, limit=100, patches=True)
    assert len(set(many.names)) == 100
    assert set(tiles.names) <= set(many.names)
    # There are only 13 * 10 places.
    assert len(load_folder(tmp_path, IMAGES, limit=1000, patches=True)) == 130


@pytest.mark.parametrize("bits", [8, 16])
def test_photographs_are_shrunk_before_patches_are_cut(tmp_path: Path, bits: int) -> None:
    ramp = np.linspace(0, 255, 64).repeat(48).reshape(64, 48)
    deep = (ramp * 257).astype(np.uint16)
    shown = Image.fromarray(deep) if bits == 16 else Image.fromarray(ramp.astype(np.uint8))
    shown.save(tmp_path / "large.png")
    Image.fromarray(ramp[:9, :9].astype(np.uint8)).save(tmp_path / "small.png")
    space = SPACES[bits]((1, 8, 8))
    asked = [load_folder(tmp_path, space, patches=True, scale=scale) for scale in (0, 2, 100)]
    assert [len([n for n in each.names if "large" in n]) for each in asked] == [48, 4, 48]
    assert any("small.png#0,0" in each.names for each in asked) == (bits == 8)
    # 21 by 16 pixels were three times as many; what is left goes from nearly black to grey.
    first = asked[1].images[0]
    assert 0 <= float(first[0, 0, 0]) < 0.03
    assert 0.3 < float(first[0, 7, 0]) < 0.4


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        load_folder(tmp_path / "none", IMAGES)
    with pytest.raises(DataError, match="no usable image among 0 files"):
        load_folder(tmp_path, IMAGES)
    fill(tmp_path, 1, 4, 4)
    with pytest.raises(DataError, match="4x4 pixels, expected 8x8"):
        load_folder(tmp_path, IMAGES)
    with pytest.raises(DataError, match="smaller than 8x8"):
        load_folder(tmp_path, IMAGES, limit=5, patches=True)
    with pytest.raises(UsageError, match="positive"):
        load_folder(tmp_path, IMAGES, limit=0)


def test_png_rounds_and_clamps() -> None:
    pixels = torch.tensor([-1.0, 0.0, 0.5 / 255, 0.49 / 255, 1.0, 2.0]).reshape(1, 2, 3)
    assert to_uint8(pixels).ravel().tolist() == [0, 0, 1, 0, 255, 255]
    np.testing.assert_array_equal(decode(encode_png(pixels)).pixels, to_uint8(pixels))
    with pytest.raises(UsageError):
        to_uint8(torch.zeros(2, 3, 3))


def test_thumbnails_shrink_and_never_grow() -> None:
    wide = np.zeros((100, 400, 3), dtype=np.uint8)
    uri = thumbnail_uri(wide, 64)
    assert uri.startswith("data:image/png;base64,")
    assert data_uri(b"a") == "data:image/png;base64,YQ=="
    assert len(thumbnail_uri(np.zeros((8, 8, 1), dtype=np.uint8))) < 200


def test_the_commonest_size_of_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / f"{number}.png")
    Image.new("L", (8, 6)).save(tmp_path / "grey.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "large.png")
    (tmp_path / "notes.txt").write_text("no image")
    loaded = load_commonest(tmp_path)
    assert loaded.names == ("0.png", "1.png", "2.png", "grey.png")
    assert loaded.images.shape == (4, 3, 6, 8)
    assert [name for name, _ in loaded.skipped] == ["large.png", "notes.txt"]
    with pytest.raises(DataError, match="no usable image among 6 files"):
        load_commonest(tmp_path, 16)
    with pytest.raises(UsageError, match="not a folder"):
        load_commonest(tmp_path / "none")


def test_files_that_cannot_be_read_are_skipped_with_a_reason(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    loaded = load_folder(tmp_path, IMAGES)
    assert len(loaded) == 3
    # Removed between the listing and the read.
    from flipad_ops.storage import image_folder

    files = [*image_folder.image_files(tmp_path), tmp_path / "vanished.png"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_folder, "image_files", lambda path: files)
        loaded = load_folder(tmp_path, IMAGES)
    assert len(loaded) == 3
    assert loaded.skipped == (("vanished.png", "It cannot be read: No such file or directory."),)
