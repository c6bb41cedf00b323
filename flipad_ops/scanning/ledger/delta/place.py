"""Where a Delta table lies, and what delta-rs has to be told to reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flipad_ops.common.errors import StateError, TargetError
from flipad_ops.storage.s3.access import S3Access
from flipad_ops.storage.s3.bucket import nameable, split_uri
from flipad_ops.storage.s3.failures import explain

S3, FOLDER = "s3://", "delta://"
#: An object that must not be written twice; Delta's own cleaning passes over such names.
PROBE = "_flipadops_probe"


@dataclass(frozen=True)
class Place:
    """A table's address.

    Parameters
    ----------
    text : str
        As the user spelled it, for messages.
    uri : str
        As delta-rs wants it.
    options : callable
        The storage options of this moment: credentials may have been renewed.
    check : callable
        Raises StateError where commits of several writers would not be safe.
    """

    text: str
    uri: str
    options: Callable[[], dict[str, str]] = dict
    check: Callable[[], None] = lambda: None


def is_delta(text: str) -> bool:
    """Whether `--state` names a Delta table rather than a SQLite file."""
    return text.startswith((S3, FOLDER))


def find_place(text: str, access: S3Access) -> Place:
    """The place of `s3://bucket/prefix` or `delta://folder`.

    Raises
    ------
    StateError
        No place for a ledger, or no credentials.
    UsageError
        No bucket in the address, or an unknown profile.
    """
    if text.startswith(FOLDER):
        folder = Path(text.removeprefix(FOLDER))
        if not text.removeprefix(FOLDER) or not folder.absolute().parent.is_dir():
            raise StateError(f"Folder {folder.absolute().parent} for the ledger does not exist.")
        return Place(text, str(folder.absolute()))
    bucket, prefix = split_uri(text.rstrip("/"))
    if not prefix:
        raise StateError(f"{text} is a whole bucket: a ledger needs a prefix of its own.")
    if not nameable(prefix):
        raise StateError(
            f"No ledger can lie in {text!r}: part of it is empty, . or .., or no text."
        )
    # Targets may be public; nobody writes a ledger anonymously.
    signed = replace(access, anonymous=False)
    try:
        store, options = signed.store(bucket), signed.text_options(bucket)
    except TargetError as error:
        raise StateError(f"The ledger {text} cannot be opened: {error}") from error
    return Place(
        text,
        f"{S3}{bucket}/{prefix}",
        options,
        lambda: _check_conditional_put(store, f"{prefix}/{PROBE}", text),
    )


def _check_conditional_put(store: Any, probe: str, text: str) -> None:
    """Commits are safe only where the server refuses to create what exists."""
    import obstore

    try:
        try:
            obstore.get(store, probe)
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):  # some servers would make it
                raise OSError(str(error)) from error
        for _ in range(2):
            obstore.put(store, probe, b"", mode="create")
    except obstore.exceptions.AlreadyExistsError:
        return
    except (obstore.exceptions.BaseError, OSError) as error:
        raise StateError(f"The ledger cannot be written: {explain(error, text)}") from error
    raise StateError(
        f"The S3 server of {text} ignores conditional writes, so that scans would overwrite each "
        "other's rows: keep the ledger in a file."
    )
