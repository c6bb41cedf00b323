from __future__ import annotations

from pathlib import Path

import pytest

from flipad_ops.common.errors import UsageError
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
    with pytest.raises(Forged, match=r"^timestamp$"):
        verify(KEY, headers(), BODY, now)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({ID: "d-2"}, "signature"),
        ({TIMESTAMP: "1001"}, "signature"),
        ({SIGNATURE: ""}, "signature"),
        ({SIGNATURE: "v1,"}, "signature"),
        ({SIGNATURE: sign("another secret", "d-1", "1000", BODY)}, "signature"),
        ({SIGNATURE: sign(KEY, "d-1", "1000", BODY + b" ")}, "signature"),
        ({SIGNATURE: "v1,\xe9\xe9"}, "signature"),
        ({ID: "", SIGNATURE: sign(KEY, "", "1000", BODY)}, "delivery id"),
        ({ID: "d" * 129, SIGNATURE: sign(KEY, "d" * 129, "1000", BODY)}, "delivery id"),
        ({TIMESTAMP: "soon", SIGNATURE: sign(KEY, "d-1", "soon", BODY)}, "timestamp"),
    ],
)
def test_forged(changes: dict[str, str], what: str) -> None:
    with pytest.raises(Forged, match=f"^{what}$"):
        verify(KEY, headers(**changes), BODY, 1000.0)


@pytest.mark.parametrize("name", ["d", "d" * 128])
def test_delivery_ids_of_any_length_up_to_the_limit(name: str) -> None:
    signed = headers(**{ID: name, SIGNATURE: sign(KEY, name, "1000", BODY)})
    assert verify(KEY, signed, BODY, 1000.0) == name


def test_a_missing_header_counts_as_empty() -> None:
    for missing, what in ((ID, "delivery id"), (TIMESTAMP, "timestamp")):
        signed = headers(**{missing: ""})
        signed[SIGNATURE] = sign(KEY, signed[ID], signed[TIMESTAMP], BODY)
        del signed[missing]
        with pytest.raises(Forged, match=f"^{what}$"):
            verify(KEY, signed, BODY, 1000.0)


def test_nothing_at_all_is_forged() -> None:
    with pytest.raises(Forged):
        verify(KEY, {}, BODY, 1000.0)


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    assert read_secret({SECRET: KEY}) == KEY
    assert read_secret({SECRET_FILE: str(path)}) == KEY
    path.write_text("short")
    # What is set outright counts, whatever the file holds.
    assert read_secret({SECRET: KEY, SECRET_FILE: str(path)}) == KEY
    assert read_secret({SECRET: "s" * 16}) == "s" * 16
    for environment, sentence in (
        ({}, f"Set {SECRET}, or {SECRET_FILE} to a file that holds it."),
        ({SECRET_FILE: str(tmp_path / "none")}, f"The file that {SECRET_FILE} names cannot be"),
        ({SECRET_FILE: str(path)}, "The webhook's secret has fewer than 16 characters."),
    ):
        with pytest.raises(UsageError) as refused:
            read_secret(environment)
        assert sentence in str(refused.value)
        assert "short" not in str(refused.value)
