"""Which attributor a registry uses: weak ones are held back, and of two the better one stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from flipad_ops.attribution.comparison import Comparison
from flipad_ops.attribution.words_of_rates import weakness
from flipad_ops.registry import tags
from flipad_ops.registry.attributors import by_alias, mark
from flipad_ops.registry.denials import unless_denied
from flipad_ops.registry.store import registry_errors
from flipad_ops.registry.uris import quoted
from flipad_ops.registry.using import described, line_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

#: Where two attributors could not score the same images: the new one stands back when its recorded
#: balanced accuracy is lower than the champion's by more than this.
WORSE_BY = 0.005


@dataclass(frozen=True)
class Standing:
    """What a fit is worth beside others, for the tags and the card of its attributor.

    Parameters
    ----------
    weak : str
        Why it is weak, a sentence; "" if it is not.
    accepted : str
        The stated reason for publishing it all the same.
    comparison : Comparison or None
        With the attributor that was current.
    not_compared : str
        Why there is none, a sentence; "" if there is one, or nothing to compare with.
    """

    weak: str = ""
    accepted: str = ""
    comparison: Comparison | None = None
    not_compared: str = ""

    @classmethod
    def of(cls, evaluation: Mapping[str, Any], accept_weak: str) -> Standing:
        """By held-out figures alone; a reason is recorded only where one is needed."""
        weak = weakness(evaluation)
        return cls(weak, accept_weak if weak else "")

    @property
    def held_back(self) -> bool:
        """Weak, and nobody said why it should be used."""
        return bool(self.weak) and not self.accepted

    def tags(self) -> dict[str, str]:
        """Of the attributor version."""
        compared = "" if self.comparison is None else json.dumps(self.comparison.to_dict())
        found = {tags.WEAK: self.weak, tags.ACCEPTED: self.accepted, tags.COMPARED: compared}
        return {key: value[: tags.TAG_LENGTH] for key, value in found.items() if value}

    @property
    def told(self) -> str:
        """Of the comparison, a sentence; "" if there was nothing to compare with."""
        return self.not_compared if self.comparison is None else self.comparison.text()

    def lines(self) -> list[str]:
        """Paragraphs of the card."""
        said = []
        if self.weak:
            said += [f"**Weak.** {self.weak}", ""]
            said += [accepted_line(self.accepted) if self.accepted else NOT_PUBLISHED, ""]
        return [*said, self.told, ""] if self.told else said


NOT_PUBLISHED = "It is registered and not published: no alias and no generator points at it."


def accepted_line(reason: str) -> str:
    """Of the card of a weak attributor that is published."""
    return f"Published all the same, reason stated: {reason}"


def accept(client: MlflowClient, version: ModelVersion, reason: str) -> ModelVersion:
    """Record on a weak attributor why it is published all the same; the version as it is then."""
    name, number = version.name, str(version.version)
    card = str(version.description or "").replace(NOT_PUBLISHED, accepted_line(reason))
    with registry_errors(name):
        client.update_model_version(name, number, card)
        mark(client, version, {tags.ACCEPTED: reason})
        return client.get_model_version(name, number)


def hold_back(client: MlflowClient, version: ModelVersion, generator: ModelVersion) -> None:
    """Leave on the generator version why its new attributor is not used; safe to repeat.

    An earlier attributor that serves it goes on serving.
    """
    why = tags.held_back(version.tags)
    reason = f"{version.name}/{version.version} is weak and not published. {why}"
    with registry_errors(generator.name):
        fresh = client.get_model_version(generator.name, str(generator.version))
        state = tags.FITTED if fresh.tags.get(tags.ATTRIBUTOR) else tags.WEAK_FIT
        mark(client, fresh, {tags.STATUS: state, tags.REASON: reason})


def champion_of(client: MlflowClient, generator: ModelVersion) -> ModelVersion | None:
    """The best attributor so far of a generator version, or of its class."""
    name = tags.attributor_name(generator.name)
    with registry_errors(name):
        # A server with accounts denies the alias of a model that is not there yet.
        if not client.search_registered_models(f"name = {quoted(name)}", max_results=1):
            return None
        return by_alias(client, name, tags.version_alias(str(generator.version)))


def publish(
    client: MlflowClient, version: ModelVersion, generator: ModelVersion, *, force: bool
) -> bool:
    """Point aliases and the generator's tags at an attributor version; safe to repeat.

    `generator-vN` goes to the best fit of generator version N; `current` to that of the newest
    generator version. Returns False when an earlier, better fit kept them.
    """
    with registry_errors(version.name):
        own = tags.version_alias(str(generator.version))
        champion = by_alias(client, version.name, own)
        rival = champion if champion and inverts_alike(version, champion) else None
        if rival is not None and not force and is_worse(version, rival):
            return False
        client.set_registered_model_alias(version.name, own, str(version.version))
        current = by_alias(client, version.name, tags.CURRENT)
        newest = -1 if current is None else int(current.tags.get(tags.GENERATOR_VERSION, -1))
        if int(generator.version) >= newest:
            client.set_registered_model_alias(version.name, tags.CURRENT, str(version.version))
    with registry_errors(generator.name):
        mark(
            client,
            generator,
            {
                tags.STATUS: tags.FITTED,
                tags.ATTRIBUTOR: f"{version.name}/{version.version}",
                tags.LAYER: version.tags[tags.LAYER],
                tags.DECODER: version.tags[tags.DECODER],
                tags.CONFIG: version.tags[tags.CONFIG],
                tags.REASON: None,
            },
        )
        _describe(client, version, generator)
    return True


def _describe(client: MlflowClient, version: ModelVersion, generator: ModelVersion) -> None:
    """Name the attributor in the generator's description; its owner may have denied that."""
    fresh = client.get_model_version(generator.name, str(generator.version))
    before = str(fresh.description or "")
    after = described(before, line_of(version, generator))
    if after != before and len(after) <= tags.DESCRIPTION_LENGTH:
        with unless_denied([], "description"):
            client.update_model_version(generator.name, str(generator.version), after)


def inverts_alike(one: ModelVersion, other: ModelVersion) -> bool:
    """Whether two attributors are not known to invert differently: a corrected output range makes
    an earlier one wrong, however good its figures."""
    known = {each.tags[tags.INVERSION] for each in (one, other) if tags.INVERSION in each.tags}
    return len(known) < 2


def is_worse(new: ModelVersion, old: ModelVersion) -> bool:
    """Whether `new` is worse than `old`: by the interval of their comparison on the same images,
    or, where there was none, by more than `WORSE_BY` in the figures that each recorded."""
    comparison = compared(new)
    if comparison is not None and comparison.attributor == f"{old.name}/{old.version}":
        return comparison.worse
    return _accuracy(new) < _accuracy(old) - WORSE_BY


def compared(version: ModelVersion) -> Comparison | None:
    """What its tags record of a comparison; None if nothing that can be read."""
    try:
        known = json.loads(version.tags[tags.COMPARED])
        return Comparison(**{each.name: known[each.name] for each in fields(Comparison)})
    except (KeyError, ValueError, TypeError):
        return None


def _accuracy(version: ModelVersion) -> float:
    # Self-made relatives are the harder test, which earlier fits did not take.
    fpr = version.tags.get(tags.FPR_GIVEN) or version.tags.get(tags.FPR)
    try:
        return (float(version.tags[tags.TPR]) + 1 - float(fpr or "")) / 2
    except (KeyError, ValueError):
        return 0.0
