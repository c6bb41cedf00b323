"""The HMAC by which MLflow signs a delivery, and the secret it is made with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from flipad_ops.common.errors import UsageError

ID, TIMESTAMP, SIGNATURE = "x-mlflow-delivery-id", "x-mlflow-timestamp", "x-mlflow-signature"
SECRET, SECRET_FILE = "FLIPADOPS_WEBHOOK_SECRET", "FLIPADOPS_WEBHOOK_SECRET_FILE"

#: Seconds; MLflow's retries reuse their timestamp for up to about 130 s.
WINDOW = 300.0
_SHORTEST = 16
_LONGEST_ID = 128


class Forged(Exception):
    """A delivery that MLflow did not sign with our secret, or not now."""


def sign(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """The value of the signature header."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """The delivery id of a signed delivery inside the window.

    Raises
    ------
    Forged
    """
    delivery_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    expected = sign(secret, delivery_id, timestamp, body)
    # Bytes: compare_digest refuses text outside ASCII, which a header may hold.
    if not hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").encode()):
        raise Forged("signature")
    if not 0 < len(delivery_id) <= _LONGEST_ID:
        raise Forged("delivery id")
    try:
        age = abs(now - int(timestamp))
    except (ValueError, OverflowError) as error:
        raise Forged("timestamp") from error
    if age > WINDOW:
        raise Forged("timestamp")
    return delivery_id


def read_secret(environment: Mapping[str, str] = os.environ) -> str:
    """The webhook's secret, from FLIPADOPS_WEBHOOK_SECRET or the file in ..._SECRET_FILE.

    Raises
    ------
    UsageError
        Neither is set, the file cannot be read, or the secret is too short to be one.
    """
    secret = environment.get(SECRET, "")
    path = environment.get(SECRET_FILE, "")
    if not secret and path:
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The file that {SECRET_FILE} names cannot be read.") from error
    if not secret:
        raise UsageError(f"Set {SECRET}, or {SECRET_FILE} to a file that holds it.")
    if len(secret) < _SHORTEST:
        raise UsageError(f"The webhook's secret has fewer than {_SHORTEST} characters.")
    return secret
