"""The generator behind an attributor, loaded for a scan whose attributor can ask it to make an
image again.

An attributor is data and holds no generator; it names one by registered version and content hash.
Whoever reads the registry brings it. What cannot be had makes the second witness silent, never a
scan fail.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from flipad_ops.common.errors import FlipadError, GeneratorUnavailable
from flipad_ops.registry import tags
from flipad_ops.registry.generators import check_pickle, fetched, load_version, split_loaded
from flipad_ops.registry.model_folder import ModelFolder
from flipad_ops.registry.store import tracking
from flipad_ops.registry.uris import parse_model, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from flipad_ops.attribution.attributor import Attributor
    from flipad_ops.generators import SplitGenerator

#: Said of an attributor in a folder.
_NOWHERE = (
    "no registry is configured (--tracking-uri) in which its generator {} could be looked up."
)


class Witnessing(Protocol):
    """What is asked of a scorer.

    Attributes
    ----------
    silent : str
        Why its second witness says nothing, a sentence; "" when it speaks, or there is none.
    """

    name: str
    version: str
    attributor: Attributor
    silent: str

    def bring(self, generator: SplitGenerator) -> None: ...


def generator_for(
    client: MlflowClient, facts: Mapping[str, Any], device: str = "cpu", allow_pickle: bool = False
) -> SplitGenerator:
    """The generator version that an attributor was fitted for, split.

    Parameters
    ----------
    facts : mapping
        `Attributor.generator`: name, version, decoder_sha256.
    allow_pickle : bool
        As in `load_generator`.

    Raises
    ------
    GeneratorUnavailable
        It is gone, cannot be loaded here, or has other weights than recorded.
    """
    version = _version(client, facts)
    try:
        generator = load_version(client, version, device=device, allow_pickle=allow_pickle)
    except FlipadError as error:
        raise _unloadable(version, error) from error
    return _checked(generator, facts)


def attach(
    client: MlflowClient, scorer: Witnessing, device: str = "cpu", allow_pickle: bool = False
) -> str:
    """Bring a scorer's generator, if its attributor has a second witness.

    Returns
    -------
    str
        Why the witness is silent, a sentence; "" when it speaks, or there is none.
    """
    if not has_witness(scorer):
        return ""
    try:
        _bring(scorer, generator_for(client, scorer.attributor.generator, device, allow_pickle))
    except FlipadError as error:
        return silence(scorer, error)
    return ""


def attach_all(
    scorers: Iterable[Witnessing],
    device: str = "cpu",
    tracking_uri: str | None = None,
    allow_pickle: bool = False,
) -> None:
    """`attach` to each, and note in `silent` what came of it.

    The generators of attributors from folders are looked up where a registry is configured only.
    """
    from flipad_ops.attribution.scorer import LOCAL

    for scorer in filter(has_witness, scorers):
        if scorer.version == LOCAL and not _configured(tracking_uri):
            scorer.silent = silence(scorer, _NOWHERE.format(_where(scorer.attributor.generator)))
            continue
        with tracking(tracking_uri) as client:
            scorer.silent = attach(client, scorer, device, allow_pickle)


def reach(
    scorer: Witnessing,
    device: str = "cpu",
    tracking_uri: str | None = None,
    allow_pickle: bool = False,
) -> SplitGenerator:
    """The generator of any attributor, which then only draws what a report shows.

    Raises
    ------
    GeneratorUnavailable
        As of `generator_for`, or its range is not the attributor's; or no registry is configured.
    """
    from flipad_ops.attribution.scorer import LOCAL

    facts = scorer.attributor.generator
    if scorer.version == LOCAL and not _configured(tracking_uri):
        raise GeneratorUnavailable(_NOWHERE.format(_where(facts)))
    with tracking(tracking_uri) as client:
        return _fitting(scorer, generator_for(client, facts, device, allow_pickle))


def has_witness(scorer: Witnessing) -> bool:
    """Whether the attributor was fitted with a second witness."""
    return getattr(scorer.attributor, "regeneration", None) is not None


@dataclass(frozen=True)
class PackedGenerator:
    """A generator's files, for a process that has no registry; picklable.

    Parameters
    ----------
    files : mapping of relative path to content
    metadata : mapping
        From the files and from tags.
    facts : mapping
        As in `generator_for`.
    """

    files: Mapping[str, bytes]
    metadata: Mapping[str, Any]
    facts: Mapping[str, Any]

    def __call__(self, device: str) -> SplitGenerator:
        """Read and split it on `device`; raises GeneratorUnavailable."""
        from mlflow.entities.model_registry import ModelVersion

        from flipad_ops.registry.formats import read_generator

        version = ModelVersion(str(self.facts["name"]), str(self.facts["version"]), 0)
        with tempfile.TemporaryDirectory(prefix="flipad-") as temporary:
            for name, content in self.files.items():
                path = Path(temporary, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            try:
                folder = ModelFolder.open(Path(temporary))
                loaded = read_generator(folder, self.metadata, device)
                generator = split_loaded(loaded, self.metadata, version, device)
            except FlipadError as error:
                raise _unloadable(version, error) from error
        return _checked(generator, self.facts)


def pack(
    client: MlflowClient, facts: Mapping[str, Any], allow_pickle: bool = False
) -> PackedGenerator:
    """Fetch a generator's files without reading them; raises GeneratorUnavailable."""
    version = _version(client, facts)
    try:
        with fetched(client, version) as (folder, metadata):
            if folder.is_pickled and "factory" not in metadata:
                check_pickle(client, version, allow_pickle)
            root = folder.root
            files = {p.relative_to(root).as_posix(): p.read_bytes() for p in folder.find("*")}
    except FlipadError as error:
        raise _unloadable(version, error) from error
    return PackedGenerator(files, metadata, dict(facts))


def bring_packed(scorer: Witnessing, packed: PackedGenerator, device: str) -> None:
    """Give a scorer the generator that was sent along; raises GeneratorUnavailable."""
    _bring(scorer, packed(device))


def silence(scorer: Witnessing, why: FlipadError | str) -> str:
    """The sentence for `silent`."""
    return f"The second witness of {scorer.name}/{scorer.version} is silent: {why}"


def _bring(scorer: Witnessing, generator: SplitGenerator) -> None:
    scorer.bring(_fitting(scorer, generator))


def _fitting(scorer: Witnessing, generator: SplitGenerator) -> SplitGenerator:
    if generator.output_map != scorer.attributor.output_map:
        raise GeneratorUnavailable(
            f"The generator {_where(scorer.attributor.generator)} has another output range or "
            "activation than the attributor was fitted for: fit it again."
        )
    return generator


def _version(client: MlflowClient, facts: Mapping[str, Any]) -> ModelVersion:
    name, number = str(facts.get("name") or ""), str(facts.get("version") or "")
    if not name or not number:  # fitted as a library call, to a generator of no registry
        raise GeneratorUnavailable("The attributor names no registered generator version.")
    try:
        version = resolve(client, parse_model(f"{name}/{number}"))
    except FlipadError as error:
        where = _where(facts)
        raise GeneratorUnavailable(f"The generator {where} cannot be found: {error}") from error
    stated = version.tags.get(tags.DECODER)
    if stated and stated != facts["decoder_sha256"]:  # before its code or weights are touched
        raise _altered(facts, stated)
    return version


def _checked(generator: SplitGenerator, facts: Mapping[str, Any]) -> SplitGenerator:
    if generator.decoder_sha256 != facts["decoder_sha256"]:
        raise _altered(facts, generator.decoder_sha256)
    return generator


def _altered(facts: Mapping[str, Any], found: str) -> GeneratorUnavailable:
    return GeneratorUnavailable(
        f"The generator {_where(facts)} has weights {found[:12]}, and the attributor was fitted "
        f"for {str(facts['decoder_sha256'])[:12]}: fit it again."
    )


def _unloadable(version: ModelVersion, error: FlipadError) -> GeneratorUnavailable:
    where = f"models:/{version.name}/{version.version}"
    return GeneratorUnavailable(f"The generator {where} cannot be loaded here: {error}")


def _where(facts: Mapping[str, Any]) -> str:
    return f"models:/{facts.get('name')}/{facts.get('version')}"


def _configured(tracking_uri: str | None) -> bool:
    if tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"):
        return True
    mlflow = sys.modules.get("mlflow")  # whoever has not imported it has told it nothing
    return mlflow is not None and bool(mlflow.is_tracking_uri_set())
