from __future__ import annotations

from pathlib import Path

import pytest

from flipad_ops.errors import UsageError
from registry_hooks.signature import (
    ID,
    SECRET,
    SECRET_FILE,
    SIGNATURE,
    TIMESTAMP,
    Forged,
    read_secret,
    sign,
    verify,
)

KEY = "a secret of some length"
BODY = b'{"entity": "model_version"}'


def headers(**changes: str) -> dict[str, str]:
    found = {ID: "d-1", TIMESTAMP: "1000", SIGNATURE: sign(KEY, "d-1", "1000", BODY)}
    return {**found, **changes}


def test_mlflow_signs_the_same() -> None:
    from mlflow.webhooks.delivery import _generate_hmac_signature

    assert _generate_hmac_signature(KEY, "d-1", "1000", BODY.decode()) == headers()[SIGNATURE]


def test_signed_and_in_time() -> None:
    assert verify(KEY, headers(), BODY, 1000.0) == "d-1"
    assert verify(KEY, headers(), BODY, 1300.0) == "d-1"
    assert verify(KEY, headers(), BODY, 700.0) == "d-1"


@pytest.mark.parametrize("now", [1301.5, 698.0])
def test_outside_the_window(now: float) -> None:
    with pytest.raises(Forged):
        verify(KEY, headers(), BODY, now)


@pytest.mark.parametrize(
    "changes",
    [
        {ID: "d-2"},
        {TIMESTAMP: "1001"},
        {SIGNATURE: ""},
        {SIGNATURE: "v1,"},
        {SIGNATURE: sign("another secret", "d-1", "1000", BODY)},
        {SIGNATURE: sign(KEY, "d-1", "1000", BODY + b" ")},
        {SIGNATURE: "v1,\xe9\xe9"},
        {ID: "", SIGNATURE: sign(KEY, "", "1000", BODY)},
        {ID: "d" * 129, SIGNATURE: sign(KEY, "d" * 129, "1000", BODY)},
        {TIMESTAMP: "soon", SIGNATURE: sign(KEY, "d-1", "soon", BODY)},
    ],
)
def test_forged(changes: dict[str, str]) -> None:
    with pytest.raises(Forged):
        verify(KEY, headers(**changes), BODY, 1000.0)


def test_nothing_at_all_is_forged() -> None:
    with pytest.raises(Forged):
        verify(KEY, {}, BODY, 1000.0)


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    assert read_secret({SECRET: KEY}) == KEY
    assert read_secret({SECRET_FILE: str(path)}) == KEY
    path.write_text("short")
    for environment in ({}, {SECRET_FILE: str(tmp_path / "none")}, {SECRET_FILE: str(path)}):
        with pytest.raises(UsageError) as refused:
            read_secret(environment)
        assert "short" not in str(refused.value)
