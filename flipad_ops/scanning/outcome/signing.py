"""Signatures beside written records, in minisign's format (https://jedisct1.github.io/minisign)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import RecordAltered, UsageError
from flipad_ops.common.extras import need
from flipad_ops.scanning.outcome.scan_outcome import ScanOutcome

if TYPE_CHECKING:
    from minisign import PublicKey

ENDING = ".minisig"
#: minisign itself reads 8000 and refuses 8175 letters of trusted comment.
_LONGEST = 8000


class Signer:
    """A secret key without a password, as `minisign -G -W` writes it.

    Parameters
    ----------
    key : Path

    Raises
    ------
    UsageError
        py-minisign is not installed; the file is missing, no such key, or asks for a password.
    """

    def __init__(self, key: Path) -> None:
        minisign = _library()
        try:
            self._key = minisign.SecretKey.from_file(key)
            encrypted = self._key.is_encrypted()
        except OSError as error:
            raise UsageError(f"The key {key} cannot be read: {error.strerror}.") from error
        except ValueError as error:  # never with the file's content
            raise UsageError(f"{key} is no secret key of minisign.") from error
        if encrypted:
            raise UsageError(f"{key} has a password: make a key without one, minisign -G -W.")
        # Keys of `minisign -W` hold no checksum: a damaged one signs what nobody can verify.
        try:
            self._key.get_public_key().verify(b"", self._key.sign(b""))
        except ValueError as error:
            raise UsageError(f"{key} is damaged: its two halves do not belong together.") from error

    def sign(self, path: Path, outcome: ScanOutcome) -> Path:
        """Write PATH.minisig; the signed comment names file, start of the scan and attributors."""
        cards = outcome.cards.items()
        made = ", ".join(f"{name} sha256:{card.attributor_sha256}" for name, card in cards)
        comment = "".join(
            letter if " " <= letter <= "~" else "?"  # py-minisign signs no other comments
            for letter in f"file:{path.name} scan:{outcome.started} attributors:{made}"
        )
        with path.open("rb") as stream:
            signature = self._key.sign(stream, trusted_comment=comment[:_LONGEST])
        beside = path.with_name(path.name + ENDING)
        part = beside.with_name(f".{beside.name}.part")
        part.write_bytes(bytes(signature) + b"\n")
        os.replace(part, beside)
        return beside


def public_key(text: str) -> PublicKey:
    """A public key, from its file or as the text that minisign prints.

    Raises
    ------
    UsageError
        py-minisign is not installed, or it is neither.
    """
    minisign = _library()
    try:
        if Path(text).is_file():
            return minisign.PublicKey.from_file(text)
        return minisign.PublicKey.from_base64(text)
    except (OSError, ValueError) as error:
        # Not repeated: it may be the secret key, by mistake.
        raise UsageError(
            "--public-key is neither a public key of minisign nor its file."
        ) from error


def check_signature(path: Path, key: PublicKey) -> str:
    """The signed comment of the signature beside `path`.

    Raises
    ------
    RecordAltered
        There is no signature, it is damaged, of another key, or of another content.
    UsageError
        The file cannot be read.
    """
    minisign = _library()
    beside = path.with_name(path.name + ENDING)
    try:
        signature = minisign.Signature.from_file(beside)
    except OSError as error:
        raise RecordAltered(f"{path} has no signature beside it ({beside.name}).") from error
    except ValueError as error:
        raise RecordAltered(f"{beside} is no signature of minisign.") from error
    try:
        with path.open("rb") as stream:
            key.verify(stream, signature)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise RecordAltered(f"{path} is not what was signed with this key.") from error
    return str(signature.trusted_comment or "")


def _library() -> Any:
    need("sign", "A signature")
    import minisign

    return minisign
