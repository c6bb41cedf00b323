"""Names that flipad_ops writes into a registry: tag keys, aliases, attributor models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flipad_ops.generators import SplitGenerator

SUFFIX = "-attributor"

#: On an attributor version, the first on its model, too.
GENERATOR = "flipad.generator"
GENERATOR_VERSION = "flipad.generator_version"

#: On both sides.
LAYER = "flipad.final_layer_sha256"
DECODER = "flipad.decoder_sha256"
#: Of the layer, the activation, the output range and the grid; versions before it have none.
INVERSION = "flipad.inversion_sha256"
CONFIG = "flipad.config_sha256"
CLASS = "flipad.equivalence_class"

#: On a generator version.
STATUS = "flipad.status"
REASON = "flipad.reason"
ATTRIBUTOR = "flipad.attributor"
RUN = "flipad.fit_run"
#: Of the metadata that tags stated when it was last fitted.
STATED = "flipad.stated_sha256"

#: On a registered generator model, set by its owner.
ALLOW_PICKLE = "flipad.allow_pickle"

#: On an attributor version.
FILES = "flipad.attributor_sha256"
TPR = "flipad.tpr"
FPR = "flipad.fpr"
#: The same without relatives that the fit made itself.
FPR_GIVEN = "flipad.fpr_given"
#: Why it is weak, and why it is published all the same.
WEAK = "flipad.weak"
ACCEPTED = "flipad.accepted_weak"
#: How it compares with the attributor that was current, JSON.
COMPARED = "flipad.compared"

FITTING, FITTED, FAILED, UNATTRIBUTABLE, REUSED, WEAK_FIT = (
    "fitting",
    "fitted",
    "failed",
    "unattributable",
    "reused",
    "weak",
)

CURRENT = "current"
#: MLflow keeps 5,000 characters of a tag; one sentence needs far fewer.
TAG_LENGTH = 500
#: Of a version's description, in MLflow's tables.
DESCRIPTION_LENGTH = 5000
#: Of a list of names, which is cut between two of them only.
NAMES_LENGTH = 4000


def names_text(names: Sequence[str]) -> str:
    """Names as a tag: all, or as many whole ones as fit and how many are left out."""
    text = ", ".join(names)
    if len(text) <= NAMES_LENGTH:
        return text
    kept = list(names)
    while kept and len(text) > NAMES_LENGTH:
        kept.pop()
        text = ", ".join([*kept, f"and {len(names) - len(kept)} more"])
    return text


def names_of(text: str, recorded: Sequence[str]) -> tuple[str, ...]:
    """The names that a tag holds; `recorded` are those known from elsewhere."""
    names = text.split(", ")
    if len(text) == TAG_LENGTH:  # earlier versions cut in the middle of a name
        names = [*dict.fromkeys([*names[:-1], *recorded])]
    return tuple(names)


def cut(key: str, value: str) -> str:
    """What of a value is written under a key."""
    return value if key == CLASS else value[:TAG_LENGTH]


def attributor_name(generator: str) -> str:
    """The registered model that holds a generator's attributors."""
    return f"{generator}{SUFFIX}"


def hashes_of(generator: SplitGenerator) -> dict[str, str]:
    """What is told of a generator version by"""
    return {
        LAYER: generator.layer.sha256(),
        DECODER: generator.decoder_sha256,
        INVERSION: generator.inversion_sha256,
    }


def is_attributor(version: Mapping[str, str]) -> bool:
    """Whether a model version with these tags is an attributor: a fit has written which generator
    version it is of. A name says nothing; people call models of their own `...-attributor`."""
    return GENERATOR_VERSION in version


def held_back(attributor: Mapping[str, str]) -> str:
    """Why an attributor version with these tags is weak and not published; "" if it is fine, or
    accepted as it is."""
    return "" if attributor.get(ACCEPTED) else attributor.get(WEAK, "")


def version_alias(generator_version: str) -> str:
    """Alias of the attributor of one generator version (MLflow reserves plain `v3`)."""
    return f"generator-v{generator_version}"
