"""How much work a fit and a scan spend on making images again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from flipad_ops.common.errors import UsageError


@dataclass(frozen=True)
class RegenerationSettings:
    """Settings of the second witness; none of it changes the first.

    Parameters
    ----------
    encoder_steps : int
        Training steps of the encoder that guesses latents, where the model has none of its own;
        0 leaves the second witness out.
    encoder_batch : int
        Own samples a step.
    first_steps, steps : int
        Gradient steps of a first look, after which hopeless images are dropped, and of the rest.
    batch : int
        Images refined together. Always so many, so that an image's result does not depend on
        which others there are.
    own, foreign : int
        Calibration images: own ones as made and as many altered; as many of each foreign source.
    minutes : int
        A fit that would take longer, by the time of a few steps, takes fewer calibration images,
        and where a fifth of the default's are too many still, goes without a second witness; it
        says either. A large generator wants a GPU or fewer steps.
    """

    encoder_steps: int = 2000
    encoder_batch: int = 32
    first_steps: int = 40
    steps: int = 160
    batch: int = 32
    own: int = 300
    foreign: int = 120
    minutes: int = 60

    def __post_init__(self) -> None:
        least = {"encoder_steps": 0, "own": 20, "foreign": 12}
        for name, value in asdict(self).items():
            if not least.get(name, 1) <= value <= 1_000_000:
                raise UsageError(
                    f"regeneration's {name} must be at least {least.get(name, 1)}, not {value}."
                )

    @property
    def wanted(self) -> bool:
        """Whether there is to be a second witness."""
        return self.encoder_steps > 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RegenerationSettings:
        """Inverse of `dataclasses.asdict`; an unknown key is a UsageError."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise UsageError(f"Unknown regeneration setting {unknown[0]!r}.")
        return cls(**values)


#: What attributors of earlier versions have.
NO_REGENERATION = RegenerationSettings(encoder_steps=0)
