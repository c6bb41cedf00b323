"""What a domain hands to the frame: data alone, the frame does the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from flipad_ops.attribution.attributor import Attributor
from flipad_ops.attribution.fit_settings import FitSettings
from flipad_ops.attribution.foreign_images import ForeignImages
from flipad_ops.generators import SplitGenerator

#: Of own test samples' latents, unlike those of any fit (`flipad_ops.attribution.seeds`).
OWN_TEST_SEED = 515_151


@dataclass(frozen=True, eq=False)
class Material:
    """One row of the results.

    Parameters
    ----------
    title : str
        The domain in a few words, as the page shows it.
    generator : SplitGenerator
        What is under protection.
    negatives : mapping of source to ForeignImages
        What training and calibration see.
    own_test : Tensor, float32, (n, *sample_shape) in [0, 1]
        Own samples of no fit: other latents than any of its.
    tests : mapping of source to Tensor, float32, (n, *sample_shape) in [0, 1]
        Foreign samples in no training and no calibration.
    settings : FitSettings
        Of the product's fit; the baselines take its detector's schedule and own sample counts.
    unseen : tuple of str
        Which of `tests` come from sources that the fit has never seen (open world).
    step : float
        One grey level of the stored samples in [0, 1].
    note : str
        A sentence about the material: what was trained on what, for how long.
    extra : callable, optional
        Further figures of the fitted attributor, shown below the tables.
    """

    title: str
    generator: SplitGenerator
    negatives: Mapping[str, ForeignImages]
    own_test: Tensor
    tests: Mapping[str, Tensor]
    settings: FitSettings
    unseen: tuple[str, ...] = ()
    step: float = 1 / 255
    note: str = ""
    extra: Callable[[Attributor], Mapping[str, str]] | None = field(default=None, repr=False)
