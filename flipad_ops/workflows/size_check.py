"""Whether attributors may decide on images of another size by the rule "search"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flipad_ops.common.errors import GeneratorUnavailable, UsageError
from flipad_ops.samples.image_space import Images
from flipad_ops.samples.size_rule import SizeRule

if TYPE_CHECKING:
    from flipad_ops.attribution.scorer import Scorer


def check_size_rule(size_rule: SizeRule, scorers: Sequence[Scorer]) -> None:
    """Refuse "search" where a second witness cannot speak: the first is no judge of such images.

    Attributors of tables, which have no sizes, pass.

    Raises
    ------
    UsageError
        An attributor was fitted without a second witness.
    GeneratorUnavailable
        It has one that is silent.
    """
    if size_rule != "search":
        return
    from flipad_ops.attribution.scorer import label

    for scorer in scorers:
        if not isinstance(scorer.space, Images):
            continue
        attributor = getattr(scorer, "attributor", None)
        if silent := getattr(scorer, "silent", ""):
            raise GeneratorUnavailable(f"--size-rule search cannot be used: {silent}")
        if getattr(attributor, "second", None) is None:
            raise UsageError(
                f"--size-rule search asks second witnesses, and {label(scorer)} was fitted "
                "without one: fit it again, or choose another size rule."
            )
