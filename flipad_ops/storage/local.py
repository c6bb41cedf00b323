"""A file or folder as a scan target."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import ImageTooLarge, ObjectGone, TargetError
from flipad_ops.common.near_names import did_you_mean
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
        self.check_there()
        if os.path.isfile(self.path):
            yield self.item(self.path, self.path.name)
            return
        root, closed = self.path.resolve(), list[str]()

        def note(error: OSError) -> None:
            closed.append(f"{error.filename}: {error.strerror}")

        for folder, folders, files in os.walk(root, onerror=note):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                file = Path(folder, name)
                if not name.startswith(".") and _is_meant(file, root):
                    yield self._listed(file, file.relative_to(root).as_posix())
        if closed:
            raise TargetError(f"Cannot list {closed[0]} ({len(closed)} such in all).")

    def read(self, item: Item, max_bytes: int) -> Content:
        """The file's bytes."""
        path = self.place(item)
        try:
            with path.open("rb") as stream:
                now = self.item(path, item.key)
                data = b"" if now.size > max_bytes else stream.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise ObjectGone(GONE) from error
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise TargetError(f"Cannot read {item.key}: {told}.") from error
        size = max(now.size, len(data))
        if size > max_bytes:
            raise ImageTooLarge(f"Over the limit of {max_bytes} bytes.", size=size)
        return Content(data, now.etag)

    def check_there(self) -> None:
        """Raises TargetError where there is nothing of this name."""
        if not os.path.exists(self.path):
            raise TargetError(f"No such file or folder: {self.path}{self._near()}")

    def check_reach(self) -> None:
        """The folder must be shared."""
        if not os.path.exists(self.path):
            raise TargetError(f"there is no {self.path}; every worker must see it under this path.")

    def is_here(self, item: Item) -> bool:
        """In the file system."""
        return os.path.isfile(self.place(item))

    def table(self) -> Path | None:
        """The file."""
        return self.path if self.path.suffix in SUFFIXES and os.path.isfile(self.path) else None

    def place(self, item: Item) -> Path:
        """Where the file is."""
        return self.path if os.path.isfile(self.path) else self.path / item.key

    def _near(self) -> str:
        """The end of a sentence about a path that is not there."""
        try:
            return did_you_mean(self.path.name, os.listdir(self.path.parent))
        except OSError:
            return "."

    def _listed(self, path: Path, key: str) -> Item:
        """A file's description; one that cannot be had is left to `read`, which says why."""
        try:
            return self.item(path, key)
        except OSError:
            return Item(key, 0, 0.0, "")

    @staticmethod
    def item(path: Path, key: str) -> Item:
        """A file's description; its time and size stand for an ETag."""
        stat = path.stat()
        return Item(key, stat.st_size, stat.st_mtime, f"{stat.st_size:x}-{stat.st_mtime_ns:x}")


def _is_meant(file: Path, root: Path) -> bool:
    """Whether an entry is a file in the folder, or cannot be told to be none."""
    try:
        # Strictly: else a loop, or what lies beyond a closed folder, is an error of its own kind.
        end = file.resolve(strict=True) if file.is_symlink() else file
        return end.is_relative_to(root) and stat.S_ISREG(end.stat().st_mode)
    except FileNotFoundError:
        return False  # a link to nothing
    except (OSError, RuntimeError):
        return True
