"""How few leaks a scan could have called: what its calibration and size allow."""

from __future__ import annotations

from collections.abc import Mapping

from flipad_ops.scanning.decisions.rules import needed_together


def fewest(floors: Mapping[str, float], tests: Mapping[str, int], fdr: float) -> int | None:
    """The smallest number of leaks that could have been called; None if no number could.

    At best all of them are at their attributor's smallest p-value: k tests with p <= f are leaks
    where f m / k <= fdr.

    Parameters
    ----------
    floors : mapping of attributor to its smallest p-value
    tests : mapping of attributor to its tests in the family
    """
    count, before = sum(tests.values()), 0
    found = list[int]()
    for name in sorted(tests, key=lambda name: floors[name]):
        together = max(before + 1, needed_together(floors[name], count, fdr))
        before += tests[name]
        if together <= before:
            found.append(together)
    return min(found, default=None)


def power_said(
    floors: Mapping[str, float], tests: Mapping[str, int], fdr: float, name: str = "FDR"
) -> str:
    """The same in a sentence; `name` is what the level is called."""
    few, count = fewest(floors, tests, fdr), sum(tests.values())
    many = f"{count} test{'' if count == 1 else 's'}"
    about = f"({many}, smallest p {min(floors.values(), default=1.0):.2g}, {name} {fdr:.3g})"
    if few is None:
        return f"This scan could not have called any number of leaks {about}"
    return f"The fewest leaks that this scan could have called are {few} {about}"
