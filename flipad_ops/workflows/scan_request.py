"""One scan, as it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flipad_ops.common.errors import StateError, UsageError
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.scanning.decisions.coverage import MOST_SKIPPED
from flipad_ops.storage import AS_CONFIGURED, S3Access
from flipad_ops.storage.selection import Selection


@dataclass(frozen=True)
class ScanRequest:
    """One scan, as `flipadops scan` takes it.

    Parameters
    ----------
    targets : tuple of str
        s3://BUCKET/PREFIX, folders, files, manifests, or tables whose rows are the samples.
    models : tuple of str
        NAME, NAME/VERSION or NAME@ALIAS of generators, or folders that hold an attributor.
    all_models : bool
        Every registered attributor as well.
    outputs : tuple of str
        FORMAT or FORMAT=PATH; without a path to stdout.
    fdr : float
        False discovery rate over the scan, all attributors together.
    selection : Selection
        Which listed objects are read.
    max_object_size : int
        Bytes; larger objects are skipped.
    max_errors : int
    max_skipped : float
        More unreadable objects, or a larger share of images skipped, make the scan incomplete.
    yearly : float or None
        P(any false call in a year of scans without an own image), which the scans of a ledger
        share; 0 decides every scan by itself. None: 5 * fdr for a ledger in a file, else 0.
    size_rule : {"reject", "centre-crop", "resize", "search"}
        Images of another size.
    group : str
        Regular expression over keys: what is tested together; "" for folders.
    access : S3Access
    batch_size : int
    workers : int or None
        Decoding processes; None takes one per core, 0 decodes in this process.
    device : str
    engine : {"local", "ray"}
    ray_address, ray_workers
        The cluster, "" for one started here, and how many workers on it.
    state : str or None
        Ledger to go on from: a file, s3://BUCKET/PREFIX or delta://FOLDER.
    resume : bool
        The ledger must exist.
    baseline, ignore_file : Path or None
        Saved scan whose findings are known; suppressions (else ./.flipadignore.yaml).
    pictures : bool
        Thumbnails in reports.
    illustrate : bool
        Beside pictures that no second witness made again, the nearest image that a search finds the
        generator to make; it decides nothing.
    check_scores : bool
        Check the finished score table.
    track : bool
        Log the scan to MLflow.
    sign : Path or None
        minisign key for the output files.
    tracking_uri : str or None
    allow_pickle : bool
        Load pickled generators, of second witnesses and for `illustrate`, whose owners opted in.
    command : str
        Command line for the record.
    """

    targets: tuple[str, ...]
    models: tuple[str, ...] = ()
    all_models: bool = False
    outputs: tuple[str, ...] = ()
    fdr: float = 0.01
    selection: Selection = field(default_factory=Selection)
    max_object_size: int = 50_000_000
    max_errors: int = 0
    max_skipped: float = MOST_SKIPPED
    yearly: float | None = None
    size_rule: SizeRule = "reject"
    group: str = ""
    access: S3Access = AS_CONFIGURED
    batch_size: int = 64
    workers: int | None = None
    device: str = "cpu"
    engine: Literal["local", "ray"] = "local"
    ray_address: str = ""
    ray_workers: int | None = None
    state: str | None = None
    resume: bool = False
    baseline: Path | None = None
    ignore_file: Path | None = None
    pictures: bool = True
    illustrate: bool = False
    check_scores: bool = False
    track: bool = False
    sign: Path | None = None
    tracking_uri: str | None = None
    allow_pickle: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        if not self.targets:
            raise UsageError("Name what to scan: TARGET, or targets in [scan] of flipadops.toml.")
        if not self.models and not self.all_models:
            raise UsageError("Name an attributor with --model NAME, or use --all-models.")
        if self.illustrate and not self.pictures:
            raise UsageError("Remade images are pictures: --illustrate or --no-thumbnails.")
        if self.resume and self.state is None:
            raise StateError("--resume needs the ledger to resume from: --state LEDGER.")
