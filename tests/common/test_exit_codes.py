"""Every deliberate error has the exit code that the README states, never 1."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flipad_ops.common import errors
from flipad_ops.common.exit_codes import CRASH, exit_code

KINDS = [
    getattr(errors, name)
    for name in errors.__all__
    if issubclass(getattr(errors, name), errors.FlipadError)
]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.GeneratorNotFound, 2),
        (errors.LatentUnknown, 2),
        (errors.NegativesTooFew, 2),
        (errors.TargetError, 4),
        (errors.NothingToScan, 5),
        (errors.AttributorMissing, 6),
        (errors.LayerMismatch, 6),
        (errors.TrackingError, 7),
        (errors.RegistryError, 8),
    ],
)
def test_code(kind: type[errors.FlipadError], code: int) -> None:
    assert exit_code(kind("why")) == code


def test_no_error_that_ends_a_command_is_a_crash() -> None:
    ends = [
        k for k in KINDS if k is not errors.FlipadError and not issubclass(k, errors.ImageError)
    ]
    assert [k.__name__ for k in ends if exit_code(k("why")) == CRASH] == []


def test_an_error_without_a_code_of_its_own_is_a_crash() -> None:
    assert exit_code(errors.FlipadError("why")) == CRASH == 1


def test_bad_input_is_one_sentence_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flipad_ops", "scan", "nowhere"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("flipadops: Name an attributor")
