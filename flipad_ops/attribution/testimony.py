"""What the second witness says of an image: how near the generator comes to making it again.

Records are read back from ledgers and saved scans that others may have written: every field has
bounds, and a latent is unpacked to its stated size and not a byte further.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from flipad_ops.common.errors import RecordAltered

if TYPE_CHECKING:
    from torch import Tensor

Witnesses = Literal["both", "first", "second", "neither"]

#: Entries of a latent at most, dimensions, and characters of what is said in words or parameters.
MOST_ENTRIES, MOST_DIMENSIONS, MOST_WORDS, MOST_PARAMETERS = 2**22, 8, 300, 20_000
#: Bounds of the numbers; `to_dict` moves infinite ones there, `from_dict` refuses what is beyond.
BOUNDS = {
    "ratio": (0.0, 1e9),
    "psnr": (-1e3, 1e3),
    "relative": (-1e3, 1e3),
    "own_farther": (0.0, 1.0),
    "foreign_nearer": (0.0, 1.0),
}


@dataclass(frozen=True)
class Testimony:
    """What the second witness says of one image.

    Parameters
    ----------
    ratio : float
        Distance in units of its own threshold: at most 1 is "our generator makes it".
    psnr : float
        dB between the found image and the remade one after the alteration.
    relative : float
        dB by which the remade image is nearer than the image's own blurred copy.
    alteration : mapping
        Parameters of what happened to the image on its way, JSON-able; empty as made.
    words : str
        The same for people: "as made", "JPEG 85 after resizing by 0.75"; printable.
    latent, latent_shape, latent_sha256 : str, tuple of int, str
        As `pack_latent` gives them; `latent` is empty where it is not kept.
    converged : bool
    steps : int
    own_farther, foreign_nearer : float
        Shares of the own calibration images, altered alike, that are at least as far; and of the
        foreign ones that are at least as near.
    witnesses : {"both", "first", "second", "neither"}
        Who accepts the image: the first looks at the last layer's input.
    empirical_p : float or None
        Where the p-value is by a model of the tail of both witnesses: the empirical one.
    """

    __test__ = False  # pytest takes the name for a test's

    ratio: float
    psnr: float
    relative: float
    alteration: Mapping[str, Any]
    words: str
    latent: str
    latent_shape: tuple[int, ...]
    latent_sha256: str
    converged: bool
    steps: int
    own_farther: float
    foreign_nearer: float
    witnesses: Witnesses
    empirical_p: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        numbers = {
            name: min(max(float(getattr(self, name)), low), high)
            for name, (low, high) in BOUNDS.items()
        }
        plain = {"alteration": dict(self.alteration), "latent_shape": list(self.latent_shape)}
        fields = {**vars(self), **numbers, **plain}
        if self.empirical_p is None:
            del fields["empirical_p"]
        return fields

    @classmethod
    def from_dict(cls, fields: object) -> Testimony:
        """The inverse of `to_dict`; fields it does not know are left out.

        Raises
        ------
        RecordAltered
            Not what `to_dict` gives.
        """
        if not isinstance(fields, Mapping):
            raise RecordAltered("A recorded testimony is no object.")
        for name, holds in _RULES.items():
            if name not in fields or not holds(fields[name]):
                raise RecordAltered(f"A recorded testimony has no valid {name!r}.")
        numbers = {name: float(fields[name]) for name in BOUNDS}
        chosen = {name: fields[name] for name in _RULES if name not in BOUNDS}
        empirical = fields.get("empirical_p")
        if empirical is not None and not _number(empirical, 0, 1):
            raise RecordAltered("A recorded testimony has no valid 'empirical_p'.")
        chosen["empirical_p"] = None if empirical is None else float(empirical)
        return cls(**{**chosen, **numbers, "latent_shape": tuple(fields["latent_shape"])})

    def latents(self) -> Tensor:
        """The recorded latent, float32, `latent_shape`.

        Raises
        ------
        RecordAltered
            None was kept, or it is not what its hash and shape say.
        """
        import torch

        if not self.latent:
            raise RecordAltered("No latent was kept of this image.")
        size = 4 * math.prod(self.latent_shape)
        if not _shape(list(self.latent_shape)):
            raise RecordAltered("The recorded latent has no valid shape.")
        try:
            unpacking = zlib.decompressobj()
            data = unpacking.decompress(base64.b64decode(self.latent, validate=True), size + 1)
        except (binascii.Error, ValueError, zlib.error) as error:
            raise RecordAltered("The recorded latent cannot be unpacked.") from error
        if len(data) != size or hashlib.sha256(data).hexdigest() != self.latent_sha256:
            raise RecordAltered("The recorded latent is not what its hash and shape say.")
        # Little-endian, as every machine that torch runs on.
        values = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(self.latent_shape)
        if not bool(torch.isfinite(values).all()):
            raise RecordAltered("The recorded latent is not finite.")
        return values


def pack_latent(latent: Tensor) -> tuple[str, str]:
    """A latent as base64 of zlib of its little-endian float32, and the SHA-256 of the latter."""
    data = latent.detach().cpu().float().contiguous().numpy().astype("<f4").tobytes()
    text = base64.b64encode(zlib.compress(data)).decode("ascii")
    return text, hashlib.sha256(data).hexdigest()


def to_text(testimony: Testimony | None) -> str | None:
    """As one JSON text, for a column; None for none."""
    if testimony is None:
        return None
    return json.dumps(testimony.to_dict(), sort_keys=True, allow_nan=False)


def from_text(text: str | None) -> Testimony | None:
    """The inverse of `to_text`; raises RecordAltered."""
    if text is None:
        return None
    from flipad_ops.common.untrusted_json import parse

    try:
        fields = parse(text)
    except (ValueError, TypeError) as error:
        raise RecordAltered("A recorded testimony is no JSON.") from error
    return Testimony.from_dict(fields)


def _number(value: object, low: float, high: float) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and low <= value <= high  # type: ignore[operator]  # NaN is not within


def _shape(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_DIMENSIONS:
        return value == []
    whole = all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value)
    return whole and math.prod(value) <= MOST_ENTRIES


def _parameters(value: object) -> bool:
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return False
    return isinstance(value, Mapping) and len(text) <= MOST_PARAMETERS


def _words(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_WORDS and value.isprintable()


_RULES: dict[str, Any] = {
    **{name: lambda value, b=bounds: _number(value, *b) for name, bounds in BOUNDS.items()},
    "alteration": _parameters,
    "words": _words,
    # Noise does not get smaller by zlib; base64 adds a third.
    "latent": lambda value: isinstance(value, str) and len(value) <= 6 * MOST_ENTRIES,
    "latent_shape": _shape,
    "latent_sha256": lambda v: isinstance(v, str) and bool(re.fullmatch("([0-9a-f]{64})?", v)),
    "converged": lambda value: isinstance(value, bool),
    "steps": lambda value: _number(value, 0, 2**53) and isinstance(value, int),
    "witnesses": lambda value: isinstance(value, str) and value in get_args(Witnesses),
}
