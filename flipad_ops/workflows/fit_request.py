"""What a fit is asked for and what comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from flipad_ops.attribution.fit_settings import FitSettings, recipe
from flipad_ops.attribution.words_of_rates import held_out, lacking
from flipad_ops.common.errors import UsageError
from flipad_ops.common.untrusted_json import parse

Status = Literal["fitted", "exists", "reused"]


@dataclass(frozen=True)
class FitRequest:
    """One fit.

    Parameters
    ----------
    uri : str
        The generator version: `models:/NAME/3`, `NAME@alias` or `NAME`.
    negatives : tuple of str
        Folders or `s3://BUCKET/PREFIX` of images known not to be the generator's own; larger
        images give patches. For rows of a table, .csv or .parquet files.
    negatives_models : tuple of str
        Registered generators to sample foreign images from, `NAME` or `NAME/VERSION`.
    registry : bool
        Whether up to six other registered versions that give images of the same size are sampled
        as well: this model's newest first, then other models'.
    group : str
        Regular expression over the file names of `negatives`: files of which it finds the same are
        of one origin, as tiles or frames are; see `scanning.decisions.groups.grouping`.
    patch_scale : float
        Larger images are shrunk to so many times the size of an own image before they are cut into
        patches, see `storage.image_folder`; 0 leaves them as they are.
    recipe, seed, fnr
        See `flipad_ops.attribution.fit_settings`; `settings` overrides all three.
    force : bool
        Fit although this version has an attributor of this configuration, and let the new one
        take the aliases though the current one is better.
    accept_weak : str
        Why an attributor is to be published although it attributes held-out foreign images, see
        `flipad_ops.attribution.words_of_rates`; without a reason it is held back. No part of the
        configuration.
    data_docs : bool
        Add great_expectations' pages of the data-quality gate to the run. No part of the
        configuration.
    """

    uri: str
    negatives: tuple[str, ...] = ()
    negatives_models: tuple[str, ...] = ()
    registry: bool = True
    group: str = ""
    patch_scale: float = 0.0
    recipe: str = "default"
    seed: int = 0
    fnr: float | None = None
    settings: FitSettings | None = None
    device: str = "cpu"
    force: bool = False
    accept_weak: str = ""
    data_docs: bool = False
    allow_pickle: bool = False
    tracking_uri: str | None = None
    experiment: str = "flipad"

    def fit_settings(self) -> FitSettings:
        """The settings of the recipe with the overrides; UsageError for an unknown recipe."""
        if self.settings is not None:
            return self.settings
        changes: dict[str, Any] = {"seed": self.seed}
        if self.fnr is not None:
            changes["fnr"] = self.fnr
        return recipe(self.recipe, **changes)

    def config_sha256(self) -> str:
        """What makes two fits of one version the same: settings and named negatives.

        What the registry holds besides is no part of it: a new version does not make all fits old.
        """
        # With a setting that is gone, off: a fit of before it went still counts as the same.
        settings = {"immunised": 0.0, **self.fit_settings().to_dict()}
        fields: dict[str, Any] = {
            "settings": settings,
            "negatives": sorted(self.negatives),
            "negatives_models": sorted(self.negatives_models),
        }
        if not self.registry:
            fields["registry"] = False
        if self.group:
            fields["group"] = self.group
        if self.patch_scale:
            fields["patch_scale"] = self.patch_scale
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def read_settings(path: str | Path) -> FitSettings:
    """Settings from a JSON file, as the `attributor.json` of a fit holds them.

    Raises
    ------
    UsageError
        No such file, not JSON, or an unknown or wrong setting.
    """
    try:
        values = parse(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable JSON file.") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path} is not a JSON object of fit settings.")
    try:
        return FitSettings.from_dict(values)
    except (TypeError, KeyError) as error:
        raise UsageError(f"{path} holds a setting of the wrong type: {error}.") from error


@dataclass(frozen=True)
class FitOutcome:
    """What a fit left in the registry.

    Parameters
    ----------
    status : {"fitted", "exists", "reused"}
        Fitted now; found, same configuration; or taken over from a version with the same
        final layer.
    attributor, version : str
        The registered attributor.
    evaluation : mapping
        Held-out figures, see `flipad_ops.attribution.evaluation`; empty unless fitted now.
    champion : bool
        Whether the aliases point at it.
    weak : str
        Why it is weak, a sentence; "" if it is not.
    accepted : str
        The reason for which a weak one is published.
    compared : str
        How it does beside the attributor that was current, or why nobody knows; a sentence.
    notes : tuple of str
        What the user should know: sources left out, images dropped.
    """

    status: Status
    generator: str
    generator_version: str
    attributor: str
    version: str
    run_id: str = ""
    threshold: float = float("nan")
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    champion: bool = True
    weak: str = ""
    accepted: str = ""
    compared: str = ""
    notes: tuple[str, ...] = ()

    @property
    def held_back(self) -> bool:
        """Registered and not published, as it is weak and nobody said why to use it."""
        return bool(self.weak) and not self.accepted

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "evaluation": dict(self.evaluation), "timings": dict(self.timings)}

    def text(self) -> str:
        """A few lines for a terminal."""
        generator = f"models:/{self.generator}/{self.generator_version}"
        attributor = f"{self.attributor}/{self.version}"
        if self.status == "exists":
            known = f"{attributor} is the attributor of {generator} already; --force fits again\n"
            return known + "".join(f"  {line}\n" for line in self._standing())
        if self.status == "reused":
            return (
                f"{generator} shares its final layer with other versions and cannot be told apart "
                f"from them; it uses their attributor {attributor}\n"
            )
        tpr = self.evaluation["tpr"]
        lines = [f"{attributor} fitted for {generator}", f"  own images recognised   {_rate(tpr)}"]
        for name, stratum in sorted(self.evaluation["strata"].items()):
            lines.append(f"  wrongly attributed      {_rate(stratum['fpr'])}  {name}")
        for name, rate in self.evaluation.get("conventions", {}).items():
            lines.append(f"  written {name:<15} {_rate(rate)}")
        altered = self.evaluation.get("altered")
        if altered is not None:
            lines.append(f"  altered, recognised     {_rate(altered['tpr'])}")
            for name, stratum in sorted(altered["strata"].items()):
                lines.append(f"  altered, wrongly        {_rate(stratum['fpr'])}  {name}")
        if told := lacking(self.evaluation):
            lines.append(f"  {told}")
        second = (self.evaluation.get("no_second_witness"), self.evaluation.get("fewer"))
        lines += [f"  {sentence}" for sentence in second if sentence]
        lines.append(f"  threshold               {self.threshold:8.4g}")
        lines += [f"  {line}" for line in self._standing()]
        return "\n".join(lines) + "\n"

    def _standing(self) -> list[str]:
        """Whether it is used, and why."""
        told = [self.compared] if self.compared else []
        if self.held_back:
            return [
                *told,
                f"WEAK, registered and not published: {self.weak} To use it as it is, state why: "
                "--accept-weak REASON.",
            ]
        if self.weak:
            told.append(f"WEAK, published all the same ({self.accepted}): {self.weak}")
        if not self.champion:
            told.append("an earlier attributor of this version was better and stays current")
        return told


def _rate(rate: Mapping[str, Any]) -> str:
    between = f"{rate['low']:.2%} to {rate['high']:.2%}"
    return f"{rate['value']:8.2%}  ({between}, {held_out(rate)} held out)"
