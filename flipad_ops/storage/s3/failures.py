"""obstore's and boto3's errors in words a person can act on."""

from __future__ import annotations

import re
from typing import Any

_REFUSED = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
    "TokenRefreshRequired", "RequestTimeTooSkewed",
}  # fmt: skip


def code_of(error: Exception) -> str:
    """S3's own code; "" where the answer has none."""
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("Error", {}).get("Code", ""))
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else ""


def explain(error: Exception, where: str) -> str:
    """One sentence about a failed request to `where`."""
    # delta-rs draws its chain of causes in colours.
    text = " ".join(re.sub(r"\x1b\[\d*m|\u21b3", " ", str(error)).split())
    code, number = code_of(error), _status(error)
    if code == "NoSuchBucket":
        return f"The bucket of {where} does not exist."
    if code in _REFUSED:
        return f"{where}: the credentials were refused ({code})."
    if number in {"401", "403"} or isinstance(error, PermissionError):
        return f"{where}: access denied{f' ({code})' if code else ''}."
    if number == "301" or code in {"PermanentRedirect", "AuthorizationHeaderMalformed"}:
        return f"The bucket of {where} is in another region: give --region."
    if number:
        return f"{where}: the server answered {number}{f' ({code})' if code else ''}."
    if re.search(r"error sending request|connect|dns|timed? ?out", text, re.IGNORECASE):
        return f"{where}: the server cannot be reached, or hung up."
    return f"{where}: {text[:200].removesuffix('.')}."


def is_final(error: Exception) -> bool:
    """Whether asking again cannot help."""
    if isinstance(error, PermissionError | FileNotFoundError):
        return True
    status = _status(error)
    return status[:1] == "4" and status not in {"408", "429"}


def _status(error: Exception) -> str:
    answer: Any = getattr(error, "response", None)
    if isinstance(answer, dict):
        return str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    found = re.search(r"status code:? (\d{3})", str(error))
    return found[1] if found else ""
