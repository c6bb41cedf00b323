"""Check the recorded findings of a saved scan again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipad_ops.common.errors import NothingToScan, UsageError
from flipad_ops.common.quick_imports import quick_imports
from flipad_ops.scanning.outcome.tolerances import TOLERANCE
from flipad_ops.storage import AS_CONFIGURED, S3Access

if TYPE_CHECKING:
    from flipad_ops.scanning.outcome.verifier import Check


@dataclass(frozen=True)
class VerifyRequest:
    """What to check, as `flipadops verify` takes it.

    Parameters
    ----------
    saved : Path
        What `scan` wrote as jsonl.
    keys : tuple of str
        Only the findings of these keys, clear ones too; otherwise every leak and review.
    models : tuple of str
        Folders of attributors that are in no registry.
    copies : Path or None
        Folder with copies, found by their content.
    limit : int or None
        The first so many findings.
    tolerance : float
        Relative difference of scores that counts as none.
    regenerate : bool
        Make each image again from its recorded latent, too.
    public_key : str or None
        minisign's key or its file: the signature of `saved` is checked first.
    allow_pickle : bool
        Load pickled generators of second witnesses whose owners opted in.
    """

    saved: Path
    keys: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    copies: Path | None = None
    limit: int | None = None
    tolerance: float = TOLERANCE
    regenerate: bool = False
    public_key: str | None = None
    access: S3Access = AS_CONFIGURED
    device: str = "cpu"
    tracking_uri: str | None = None
    allow_pickle: bool = False


@dataclass(frozen=True)
class VerifyResult:
    """What became of the findings.

    Parameters
    ----------
    checks : tuple of Check
    signed : str or None
        The trusted comment of the signature, where one was checked.
    warnings : tuple of str
        Second witnesses that were silent.
    """

    checks: tuple[Check, ...]
    signed: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Findings by state: confirmed, differs, unavailable."""
        found = Counter(check.state for check in self.checks)
        return {state: found[state] for state in ("confirmed", "differs", "unavailable")}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**self.counts, "checks": [check.to_dict() for check in self.checks]}


def verify(request: VerifyRequest) -> VerifyResult:
    """Find the content by its hash, score it with the very attributor, and decide again.

    Raises
    ------
    UsageError
        No saved scan, or no such folder.
    RecordAltered
        The file is not what was signed.
    NothingToScan
        The file holds no such finding.
    AttributorError
        An attributor is missing, not the one that made the findings, or its second witness, which
        a scan with the size rule "search" rests on, is silent.
    """
    from flipad_ops.scanning.outcome import signing
    from flipad_ops.scanning.outcome.saved import load_outcome

    signed = None
    if request.public_key is not None:  # an empty one is an unset variable, and refused
        signed = signing.check_signature(request.saved, signing.public_key(request.public_key))
    if request.copies is not None and not request.copies.is_dir():
        raise UsageError(f"--copies {request.copies} is not a folder.")
    outcome = load_outcome(request.saved, request.access)
    wanted = set(request.keys)
    findings = (f for f in outcome.findings if f.verdict != "clear" or f.row.key in wanted)
    chosen = islice((f for f in findings if not wanted or f.row.key in wanted), request.limit)
    if not (found := list(chosen)):
        raise NothingToScan(f"{request.saved} holds no such finding.")

    with quick_imports():  # torch and MLflow, after all cheap checks
        from flipad_ops.attribution.scorer import in_registry
        from flipad_ops.registry.scorers import load_scorers
        from flipad_ops.scanning.outcome.evidence import Evidence
        from flipad_ops.scanning.outcome.verifier import Verifier
        from flipad_ops.scanning.plan.samples_within import with_frames, with_tables
        from flipad_ops.workflows.size_check import check_size_rule

    names = [name for name in outcome.cards if in_registry(name)]
    scorers = load_scorers(
        [*request.models, *names], False, request.device, request.tracking_uri, request.allow_pickle
    )
    check_size_rule(outcome.request.size_rule, scorers)
    outcome.request = with_frames(with_tables(outcome.request, scorers))
    limit = outcome.request.limits.max_bytes
    evidence = Evidence(outcome.request.targets, limit, request.copies)
    verifier = Verifier(outcome, scorers, evidence, request.tolerance, request.regenerate)
    silent = tuple(filter(None, (getattr(each, "silent", "") for each in scorers)))
    return VerifyResult(tuple(verifier.check(found)), signed, silent)
