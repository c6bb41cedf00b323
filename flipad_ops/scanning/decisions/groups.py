"""Groups of weak evidence: a folder that holds more attributed images than false alarms explain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, betaln

from flipad_ops.common.errors import UsageError
from flipad_ops.scanning.decisions.rules import benjamini_hochberg, log_choose

#: Intra-class correlations of false alarms inside a foreign folder under which a test must hold,
#: besides none: attributors record none, and a folder may hold patches of a few pictures.
CORRELATIONS = (0.02, 0.05, 0.1, 0.2)
#: A group is more than one image: alone an image has its own test.
LEAST = 2


@dataclass(frozen=True)
class PrefixTest:
    """More attributed images under one prefix than chance allows?

    Copies of a content count once, and what is suppressed does not count.

    Parameters
    ----------
    prefix : str
    scanned, attributed, leaks : int
    expected : float
        Attributed images expected if none were ours, at the largest measured FPR bound.
    p : float
        Tail of `attributed` among `scanned` at that rate: the largest over the correlations that
        false alarms of one folder may have (`group_p`).
    q : float
        Benjamini-Hochberg adjusted over all prefixes and attributors of the scan.
    called : bool
        q is at or below the false discovery rate: a finding.
    """

    prefix: str
    scanned: int
    attributed: int
    leaks: int
    expected: float
    p: float
    q: float = 1.0
    called: bool = False


def group_p(
    attributed: NDArray[np.int64], scanned: NDArray[np.int64], rate: float
) -> NDArray[np.float64]:
    """P(at least so many false alarms), (groups,): the worst of binomial and beta-binomials.

    False alarms of a foreign folder are alike: with an intra-class correlation c its own rate is
    Beta(rate (1 - c) / c, (1 - rate)(1 - c) / c) around the mean (METHOD 6). Neither tail is the
    larger one everywhere, so the largest over `CORRELATIONS` and none counts.

    Parameters
    ----------
    rate : float
        Upper bound of the false positive rate, in (0, 1].
    """
    pairs, place = np.unique(np.stack([attributed, scanned], axis=1), axis=0, return_inverse=True)
    p = [1.0 if hits < LEAST else _worst_tail(int(hits), int(n), rate) for hits, n in pairs]
    return np.array(p, dtype=np.float64)[place.ravel()]


def _worst_tail(hits: int, scanned: int, rate: float) -> float:
    tails = [float(bdtrc(hits - 1, scanned, rate))]
    if rate < 1:
        some = np.arange(hits, scanned + 1)  # summed from above, so that small tails keep digits
        for correlation in CORRELATIONS:
            weight = 1 / correlation - 1
            a, b = rate * weight, (1 - rate) * weight
            log = log_choose(scanned, some)
            log += betaln(some + a, scanned - some + b) - betaln(a, b)
            tails.append(float(np.exp(log).sum()))
    return min(1.0, max(tails))


def prefix_of(key: str) -> str:
    """Everything before the last slash; "" at the top."""
    return key.rpartition("/")[0]


def grouping(pattern: str, otherwise: Callable[[str], str] = prefix_of) -> Callable[[str], str]:
    """How keys are grouped: by folder, or by what a regular expression finds in the key.

    The expression's first group counts, or else all it matches; of a key without a match, and of
    all without an expression, what `otherwise` says.

    Raises
    ------
    UsageError
    """
    if not pattern:
        return otherwise
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}.") from error

    def group(key: str) -> str:
        found = expression.search(key)
        if found is None:
            return otherwise(key)
        return str(found[1] or "") if expression.groups else found[0]

    return group


def prefix_tests(
    judged: Iterable[tuple[str, bool, bool]],
    false_positive_rate: float,
    group: Callable[[str], str] = prefix_of,
) -> list[PrefixTest]:
    """One test per prefix, against an upper bound of the false positive rate; q among them alone.

    Parameters
    ----------
    judged : iterable of (key, attributed, leak)
        What counts of one attributor's scored images.
    false_positive_rate : float
        Upper 95% bound of the worst calibration stratum, in (0, 1].
    group : callable
        From a key to what it is tested with; see `grouping`.
    """
    counts: dict[str, list[int]] = {}
    for key, attributed, leak in judged:
        count = counts.setdefault(group(key), [0, 0, 0])
        count[0] += 1
        count[1] += attributed
        count[2] += leak
    if not counts:
        return []
    names = sorted(counts)
    scanned, hits, leaks = np.array([counts[name] for name in names]).T
    p = group_p(hits, scanned, false_positive_rate)
    q = benjamini_hochberg(p)
    return [
        PrefixTest(
            prefix=name,
            scanned=int(scanned[i]),
            attributed=int(hits[i]),
            leaks=int(leaks[i]),
            expected=float(scanned[i] * false_positive_rate),
            p=float(p[i]),
            q=float(q[i]),
        )
        for i, name in enumerate(names)
    ]


def call(tests: Mapping[str, Sequence[PrefixTest]], fdr: float) -> dict[str, list[PrefixTest]]:
    """The tests of all attributors as one family: q over all of them, and which are called."""
    q = iter(benjamini_hochberg(np.array([t.p for some in tests.values() for t in some])).tolist())
    decided = {name: [replace(test, q=next(q)) for test in some] for name, some in tests.items()}
    return {
        name: [replace(test, called=test.attributed >= LEAST and test.q <= fdr) for test in some]
        for name, some in decided.items()
    }


def said_of(test: PrefixTest) -> str:
    """What a called group says, for people."""
    return (
        f"{test.attributed} of {test.scanned} images of the group are attributed, "
        f"{test.expected:.1f} expected if none were ours: p {test.p:.2g}, q {test.q:.2g} for the "
        "group as a whole"
    )


def most_telling(tests: Sequence[PrefixTest], count: int) -> list[PrefixTest]:
    """The `count` prefixes with the smallest q, in name order: a bucket may have very many."""
    chosen = sorted(tests, key=lambda test: (test.q, -test.attributed, test.prefix))[:count]
    return sorted(chosen, key=lambda test: test.prefix)
