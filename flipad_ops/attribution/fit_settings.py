"""Everything a fit can be told, as one validated object with a hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from flipad_ops.common.errors import UsageError
from flipad_ops.detection.deepsad_settings import DeepSadSettings
from flipad_ops.inversion import InversionSettings
from flipad_ops.regeneration.regeneration_settings import (
    NO_REGENERATION,
    RegenerationSettings,
)

#: Own samples that a fit needs where there is no generator to draw more from.
MIN_SAMPLES = 100

Recipe = Literal["default", "fast", "paper"]


@dataclass(frozen=True)
class FitSettings:
    """Settings of one fit.

    Parameters
    ----------
    inversion : InversionSettings
    detector : DeepSadSettings
    own_train, own_calibration, own_test : int
        Own samples drawn from the generator for each purpose; never the same latents.
    anchor_samples : int
        Samples of F averaged into the anchor (paper: 5,000).
    channels : int
        Activation channels kept by the feature selection.
    window : int
        Side of the central square of activations that is recovered, for images too large to be
        inverted whole (paper: 128 of 512); 0 for all of them.
    fusion : bool
        Score channel statistics and the image's spectrum beside DeepSAD (not in the paper).
    second_moments : bool
        Whether the statistics include second moments and the image's bands, whitened; they need
        more own samples than there are statistics.
    widened, near_misses : float
        Training negatives that the fit makes itself, per own training sample; see
        `flipad_ops.attribution.self_made` (not in the paper).
    students, student_steps : int
        Sibling versions that the fit trains itself where none was given, and for how long; see
        `flipad_ops.attribution.students` (not in the paper).
    recompressed : float
        Altered copies of own and of foreign training images, per own training sample, for the
        view of pixels that decides on lossy files; see `flipad_ops.detection.pixel`. 0 for none.
    fnr : float
        Tolerable false negative rate at the threshold (paper: 0.005).
    min_negatives : int
        Fewer foreign images than this refuse the fit.
    max_negatives : int
        Foreign images used at most, shared evenly between the sources.
    more_null : int
        Foreign images beyond these, shared evenly, for the calibration of p-values alone; the
        smallest p-value of a source is 1 over the number of its calibration images, plus one.
    regeneration : RegenerationSettings
        The second witness, which makes images again (METHOD 5; not in the paper); the recipe
        "default" has one, these settings by themselves have none.
    seed : int
    extra_views : tuple of str
        Views of installed packages that the detector is given besides its own; see
        `flipad_ops.detection.view`.
    """

    inversion: InversionSettings = field(default_factory=InversionSettings)
    detector: DeepSadSettings = field(default_factory=DeepSadSettings)
    own_train: int = 2000
    own_calibration: int = 1000
    own_test: int = 500
    anchor_samples: int = 2000
    channels: int = 32
    window: int = 0
    fusion: bool = True
    second_moments: bool = True
    widened: float = 0.5
    near_misses: float = 0.25
    students: int = 1
    student_steps: int = 300
    recompressed: float = 1.0
    fnr: float = 0.005
    min_negatives: int = 100
    max_negatives: int = 2000
    more_null: int = 6000
    regeneration: RegenerationSettings = NO_REGENERATION
    seed: int = 0
    extra_views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "extra_views", tuple(self.extra_views))
        if len(set(self.extra_views)) < len(self.extra_views):
            raise UsageError("extra_views names a view twice.")
        if self.extra_views and not self.fusion:
            raise UsageError("extra_views need fusion.")
        for name in ("own_train", "own_calibration", "own_test", "anchor_samples", "channels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}.")
        if self.window < 0:
            raise UsageError(f"window must not be negative, as {self.window} is.")
        for name in ("widened", "near_misses", "recompressed"):
            if not 0 <= getattr(self, name) <= 10:
                raise UsageError(f"{name} must lie between 0 and 10, not {getattr(self, name)}.")
        if not (0 <= self.students <= 20 and self.student_steps >= 1):
            raise UsageError("students must lie between 0 and 20, and student_steps be positive.")
        if not 0 < self.fnr < 0.5:
            raise UsageError(f"fnr must lie between 0 and 0.5, not {self.fnr}.")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"seed must lie between 0 and 2^32, not {self.seed}.")
        if not 10 <= self.min_negatives <= self.max_negatives:
            raise UsageError("min_negatives must be at least 10 and at most max_negatives.")
        if self.more_null < 0:
            raise UsageError(f"more_null must not be negative, not {self.more_null}.")

    def at_most(self, samples: int) -> FitSettings:
        """With own counts in the same proportions that need no more than so many samples.

        Raises
        ------
        UsageError
            Fewer than MIN_SAMPLES.
        """
        if samples < MIN_SAMPLES:
            raise UsageError(f"{samples} own samples are too few; a fit needs {MIN_SAMPLES}.")
        wanted = self.own_train + self.own_calibration + self.own_test
        if wanted <= samples:
            return self
        calibration, test = (
            max(1, n * samples // wanted) for n in (self.own_calibration, self.own_test)
        )
        train = samples - calibration - test
        return replace(self, own_train=train, own_calibration=calibration, own_test=test)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; without `extra_views` where there are none, as before there were any."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        extra = list(own.pop("extra_views"))
        own.pop("regeneration")
        parts: dict[str, Any] = {
            "inversion": asdict(self.inversion),
            "detector": self.detector.to_dict(),
        }
        if self.regeneration.wanted:
            parts["regeneration"] = asdict(self.regeneration)
        return {**own, **parts, **({"extra_views": extra} if extra else {})}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FitSettings:
        """Inverse of `to_dict`; an unknown key is a UsageError."""
        _check_names(values)
        values = dict(values)
        if "inversion" in values:
            values["inversion"] = InversionSettings.from_dict(values["inversion"])
        if "detector" in values:
            values["detector"] = DeepSadSettings.from_dict(values["detector"])
        if "regeneration" in values:
            values["regeneration"] = RegenerationSettings.from_dict(values["regeneration"])
        return cls(**values)

    def sha256(self) -> str:
        """Content hash of the settings."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def recipe(name: str, **overrides: Any) -> FitSettings:
    """Settings by name: "default", "fast" (small and quick) or "paper".

    "paper" keeps the point target, alpha, feature count, sample counts and schedule of the
    64x64 GAN experiments; only the solver is ours, since the optimum is the same.
    """
    if name == "default":
        settings = FitSettings(regeneration=RegenerationSettings())
    elif name == "fast":
        settings = FitSettings(
            inversion=InversionSettings(tolerance=5e-2),
            detector=DeepSadSettings(epochs=12),
            own_train=700,
            own_calibration=1200,
            own_test=200,
            anchor_samples=1000,
            channels=16,
            second_moments=False,
            students=0,
            max_negatives=1000,
            more_null=0,
        )
    elif name == "paper":
        settings = FitSettings(
            inversion=InversionSettings(alpha=5e-4, data_term="point"),
            detector=DeepSadSettings(epochs=50, batch_size=128, milestones=(0.5,)),
            own_train=10_000,
            own_calibration=1_000,
            own_test=1_000,
            anchor_samples=5_000,
            channels=64,
            fusion=False,
            widened=0,
            near_misses=0,
            students=0,
            recompressed=0,
            max_negatives=12_000,
            more_null=0,
        )
    else:
        raise UsageError(
            f"Unknown recipe {name!r}; known are default, fast, paper.{_instead(name)}"
        )
    _check_names(overrides)
    return replace(settings, **overrides)


def _check_names(values: Mapping[str, Any]) -> None:
    unknown = sorted(set(values) - {f.name for f in fields(FitSettings)})
    if unknown:
        raise UsageError(f"Unknown fit setting {unknown[0]!r}.{_instead(unknown[0])}")


def _instead(name: str) -> str:
    """What there is for a recipe and setting of earlier versions."""
    if name != "immunised":
        return ""
    return " Altered images are found by the second witness, which the recipe default has."
