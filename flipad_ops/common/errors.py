"""Every error flipad_ops raises on purpose, in one tree.

The library never exits and never prints; `flipad_ops.common.exit_codes` alone maps these
classes to process exit codes.

    FlipadError
    +-- UsageError                 bad option, bad value, bad configuration file
    |   +-- ExtraMissing           needs packages that are installed by an extra
    +-- GeneratorError             something about a generator version
    |   +-- GeneratorNotFound      no such registered model or version
    |   +-- GeneratorUnreadable    the artifact cannot be loaded
    |   +-- GeneratorTooLarge      a tensor or archive over the limit, refused before it is read
    |   +-- PickleRefused          pickled model without the owner's opt-in
    |   +-- LatentUnknown          latent shape or distribution neither found nor stated
    |   +-- NotAttributable        no split G = sigma o L o F could be verified
    |       +-- RangeUnknown       samples leave open which outputs are black and white
    +-- DataError                  images or tables handed to a fit
    |   +-- NegativesTooFew        not enough foreign images to train and calibrate
    |   +-- GateFailed             the data-quality gate said no
    +-- ImageError                 one image cannot be used (never ends a scan)
    |   +-- NotAnImage             bytes that no supported decoder accepts
    |   +-- ImageTooLarge          over the byte, pixel or frame limit
    |   +-- WrongImageSize         decoded, but not the size the attributor expects
    +-- InversionError             the lasso was given values it cannot use
    +-- AttributorError            something about a fitted attributor
    |   +-- AttributorMissing      the generator has none
    |   +-- AttributorCorrupt      files missing, altered or of an unknown format
    |   +-- AttributorUncalibrated no threshold or no null scores
    |   +-- LayerMismatch          fitted for another final layer than the one registered
    |   +-- GeneratorUnavailable   the generator it names cannot be had as it was at the fit
    +-- TargetError                a scan target cannot be listed or read
    |   +-- NothingToScan          listed, and no image in it
    |   +-- ObjectGone             listed, and deleted before it was read
    |   +-- ObjectArchived         in cold storage: there, and nobody can read it now
    +-- EngineError                the machines that a scan runs on fail it
    +-- TookTooLong                the time limit passed
    +-- RegistryError              MLflow's server or store does not answer
    +-- RecordAltered              a saved record is not what was signed
    +-- TrackingError              a finished scan cannot be logged to MLflow
    +-- StateError                 ledger or resume state that does not fit this run
"""

from __future__ import annotations

import re

__all__ = [
    "AttributorCorrupt",
    "AttributorError",
    "AttributorMissing",
    "AttributorUncalibrated",
    "DataError",
    "EngineError",
    "ExtraMissing",
    "FlipadError",
    "GateFailed",
    "GeneratorError",
    "GeneratorNotFound",
    "GeneratorTooLarge",
    "GeneratorUnavailable",
    "GeneratorUnreadable",
    "ImageError",
    "ImageTooLarge",
    "InversionError",
    "LatentUnknown",
    "LayerMismatch",
    "NegativesTooFew",
    "NotAnImage",
    "NotAttributable",
    "NothingToScan",
    "ObjectArchived",
    "ObjectGone",
    "PickleRefused",
    "RangeUnknown",
    "RecordAltered",
    "RegistryError",
    "StateError",
    "TargetError",
    "TookTooLong",
    "TrackingError",
    "UsageError",
    "WrongImageSize",
]


#: Characters of another library's message that are repeated.
LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line that an error has to say; its type's name if it says nothing."""
    # Where an object lies differs between runs that do not.
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "the file", str(error))
    lines = (line.strip() for line in text.splitlines())
    return next(filter(None, lines), type(error).__name__)[:LONGEST]


class FlipadError(Exception):
    """Base of all deliberate errors; its message is one sentence meant for the user."""


class UsageError(FlipadError):
    """An option, value or configuration file is wrong."""


class ExtraMissing(UsageError):
    """Packages of an extra are not installed, see `flipad_ops.common.extras`."""


class GeneratorError(FlipadError):
    """Something about a generator version; `remedy` says what its owner can do, if known."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class GeneratorNotFound(GeneratorError):
    """No such registered model or version."""


class GeneratorUnreadable(GeneratorError):
    """The generator's artifact cannot be loaded."""


class GeneratorTooLarge(GeneratorError):
    """A tensor or an archive is over the limit; see `flipad_ops.common.size_limits`."""


class PickleRefused(GeneratorError):
    """The generator is pickled and its owner has not opted in."""


class LatentUnknown(GeneratorError):
    """Latent shape or distribution is neither discoverable nor stated."""


class NotAttributable(GeneratorError):
    """No split G = sigma o L o F could be verified."""


class RangeUnknown(NotAttributable):
    """Samples do not tell which outputs are black and white; the owner must."""


class DataError(FlipadError):
    """Images or tables handed to a fit cannot be used."""


class NegativesTooFew(DataError):
    """Not enough foreign images to train and calibrate."""


class GateFailed(DataError):
    """A data-quality gate rejected its table."""


class ImageError(FlipadError):
    """One image cannot be used."""


class NotAnImage(ImageError):
    """The bytes are not an image of a supported format."""


class ImageTooLarge(ImageError):
    """The image is over the byte, pixel or frame limit; `size` in bytes where it is known."""

    def __init__(self, message: str = "", *, size: int = 0) -> None:
        super().__init__(message)
        self.size = size


class WrongImageSize(ImageError):
    """The image is not of the size the attributor was fitted for."""


class InversionError(FlipadError):
    """The lasso was given values it cannot use."""


class AttributorError(FlipadError):
    """Something about a fitted attributor."""


class AttributorMissing(AttributorError):
    """The generator has no attributor."""


class AttributorCorrupt(AttributorError):
    """Attributor files are missing, altered or of an unknown format."""


class AttributorUncalibrated(AttributorError):
    """The attributor has no threshold or no null scores."""


class LayerMismatch(AttributorError):
    """The attributor was fitted for another final layer."""


class GeneratorUnavailable(AttributorError):
    """The generator that an attributor names cannot be had as it was at the fit."""


class TargetError(FlipadError):
    """A scan target cannot be listed or read."""


class NothingToScan(TargetError):
    """The target holds no image."""


class ObjectGone(TargetError):
    """The object was deleted after it was listed (never ends a scan)."""


class ObjectArchived(TargetError):
    """The object is in cold storage (never ends a scan)."""


class EngineError(FlipadError):
    """The machines that a scan runs on fail it."""


class TookTooLong(FlipadError):
    """The time limit passed."""


class RegistryError(FlipadError):
    """The model registry does not answer; asked later, it may."""


class RecordAltered(FlipadError):
    """A saved record is not what was signed."""


class TrackingError(FlipadError):
    """A finished scan cannot be logged to MLflow (never ends a scan, nor hides a finding)."""


class StateError(FlipadError):
    """Ledger or resume state does not fit this run."""
