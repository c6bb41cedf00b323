"""A file or folder as a scan target."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import ImageTooLarge, ObjectGone, TargetError
from flipad_ops.storage.table_files import SUFFIXES
from flipad_ops.storage.target import GONE, Content, Item, Target


class LocalTarget(Target):
    """A file, or a folder read recursively; hidden files and links out of it are left out."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.uri = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        # For workers, whose working folder is another.
        return LocalTarget, (self.path.absolute(),), {"uri": self.uri}

    def list(self) -> Iterator[Item]:
        """Files in key order."""
        if not self.path.exists():
            raise TargetError(f"No such file or folder: {self.path}.")
        if self.path.is_file():
            yield self.item(self.path, self.path.name)
            return
        root = self.path.resolve()

        def refuse(error: OSError) -> None:
            raise TargetError(f"Cannot list {error.filename}: {error.strerror}.") from error

        for folder, folders, files in os.walk(root, onerror=refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                file = Path(folder, name)
                if name.startswith(".") or not file.resolve().is_relative_to(root):
                    continue
                if file.is_file():
                    yield self.item(file, file.relative_to(root).as_posix())

    def read(self, item: Item, max_bytes: int) -> Content:
        """The file's bytes."""
        path = self.place(item)
        try:
            with path.open("rb") as stream:
                now = self.item(path, item.key)
                data = stream.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise ObjectGone(GONE) from error
        except OSError as error:
            raise TargetError(f"Cannot read {item.key}: {error.strerror}.") from error
        if len(data) > max_bytes:
            raise ImageTooLarge(f"Over the limit of {max_bytes} bytes.")
        return Content(data, now.etag)

    def check_reach(self) -> None:
        """The folder must be shared."""
        if not self.path.exists():
            raise TargetError(f"there is no {self.path}; every worker must see it under this path.")

    def is_here(self, item: Item) -> bool:
        """In the file system."""
        return self.place(item).is_file()

    def table(self) -> Path | None:
        """The file."""
        return self.path if self.path.suffix in SUFFIXES and self.path.is_file() else None

    def place(self, item: Item) -> Path:
        """Where the file is."""
        return self.path if self.path.is_file() else self.path / item.key

    @staticmethod
    def item(path: Path, key: str) -> Item:
        """A file's description; its time and size stand for an ETag."""
        stat = path.stat()
        return Item(key, stat.st_size, stat.st_mtime, f"{stat.st_size:x}-{stat.st_mtime_ns:x}")
