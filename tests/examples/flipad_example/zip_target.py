"""A target: the files in a ZIP archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from flipad_ops.common.errors import ImageTooLarge, ObjectGone, TargetError
from flipad_ops.storage import Content, Item, S3Access, Target
from flipad_ops.storage.target import GONE


class ZipTarget(Target):
    """`PATH.zip`, all folders of it.

    Parameters
    ----------
    text : str
        As the user spelled it.
    access : S3Access
        For targets that are in a bucket; of no use here.
    """

    def __init__(self, text: str, access: S3Access) -> None:
        self.uri, self.path = text, Path(text).absolute()

    def list(self) -> Iterator[Item]:
        """Files in key order; a checksum stands for the ETag."""
        try:
            with ZipFile(self.path) as archive:
                entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
        except (OSError, BadZipFile) as error:
            raise TargetError(f"Cannot read {self.uri}: {error}.") from error
        for entry in entries:
            if not entry.is_dir():
                modified = datetime(*entry.date_time).timestamp()
                yield Item(entry.filename, entry.file_size, modified, f"{entry.CRC:08x}")

    def read(self, item: Item, max_bytes: int) -> Content:
        """One file; never more than `max_bytes`, whatever the archive says of its size."""
        try:
            with ZipFile(self.path) as archive, archive.open(item.key) as stream:
                data = stream.read(max_bytes + 1)
        except KeyError as error:
            raise ObjectGone(GONE) from error
        except (OSError, BadZipFile, RuntimeError, NotImplementedError) as error:
            raise TargetError(f"Cannot read {item.key}: {error}.") from error
        if len(data) > max_bytes:
            raise ImageTooLarge(f"Over the limit of {max_bytes} bytes.")
        return Content(data, item.etag)

    def check_reach(self) -> None:
        """Workers on other machines open the archive themselves."""
        if not self.path.is_file():
            raise TargetError(f"there is no {self.path}; every worker must see it under this path.")
