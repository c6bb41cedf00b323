"""The one place where errors become process exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flipad_ops.common import log
from flipad_ops.common.child_process import settle_environment
from flipad_ops.common.errors import (
    AttributorError,
    DataError,
    EngineError,
    FlipadError,
    GeneratorError,
    InversionError,
    NothingToScan,
    RecordAltered,
    RegistryError,
    StateError,
    TargetError,
    TookTooLong,
    TrackingError,
    UsageError,
)
from flipad_ops.common.extras import explained

OK = 0
CRASH = 1
USAGE = 2
FINDINGS = 3
INCOMPLETE = 4
NOTHING_SCANNED = 5
ATTRIBUTOR = 6
UNRECORDED = 7
REGISTRY_AWAY = 8
INTERRUPTED = 130

#: First match wins, so subclasses stand before their parents.
_CODES: tuple[tuple[type[FlipadError], int], ...] = (
    (NothingToScan, NOTHING_SCANNED),
    (TargetError, INCOMPLETE),
    (EngineError, INCOMPLETE),
    (TookTooLong, INCOMPLETE),
    (AttributorError, ATTRIBUTOR),
    (GeneratorError, USAGE),
    (DataError, USAGE),
    (InversionError, USAGE),
    (RegistryError, REGISTRY_AWAY),
    (RecordAltered, FINDINGS),
    (TrackingError, UNRECORDED),
    (StateError, USAGE),
    (UsageError, USAGE),
)


def exit_code(error: FlipadError) -> int:
    """The exit code of a deliberate error (see `docs/scan.md` for the table)."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), CRASH)


@contextmanager
def one_sentence() -> Iterator[None]:
    """A deliberate error, and a package that an extra would have brought, ends the process with one
    sentence on stderr."""
    try:
        try:
            yield
        except ModuleNotFoundError as error:
            if (lacking := explained(error)) is None:
                raise
            raise lacking from error
    except FlipadError as error:
        code = exit_code(error)
        log.end(str(error), code)
        sys.exit(code)


def end_process(main: Callable[[], int]) -> None:
    """Exit with `main`'s code; a deliberate error is one sentence on stderr."""
    settle_environment()
    log.from_environment()
    with one_sentence():
        code = main()
    sys.exit(code)
