"""The one place where errors become process exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

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


def end_process(main: Callable[[], int]) -> None:
    """Exit with `main`'s code; a deliberate error is one sentence on stderr."""
    settle_environment()
    log.from_environment()
    try:
        code = main()
    except FlipadError as error:
        code = exit_code(error)
        log.end(str(error), code)
    sys.exit(code)
