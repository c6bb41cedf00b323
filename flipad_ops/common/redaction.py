"""Secrets that must not be written down."""

from __future__ import annotations

import os
import re

_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)[^\s/?#'\"]*@")
_SIGNED = re.compile(
    r"\b((?:X-(?:Amz|Goog)-[A-Za-z\-]+|Signature|AWSAccessKeyId|GoogleAccessId|Credential|sig)=)"
    r"[^&\s\"'<>,;]+",
    re.IGNORECASE,
)
_SECRETS = (
    "FLIPADOPS_WEBHOOK_SECRET", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN",
)  # fmt: skip
#: Shorter values would hide words.
_SHORTEST = 8
_HIDDEN = "***"


def scrub(text: str) -> str:
    """`text` without users and passwords of URLs, signatures, and secrets of the environment."""
    text = _SIGNED.sub(rf"\1{_HIDDEN}", _USERINFO.sub(rf"\1{_HIDDEN}@", text))
    for name in _SECRETS:
        secret = os.environ.get(name, "")
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, _HIDDEN)
    return text
