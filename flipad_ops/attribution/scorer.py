"""What a scan needs of an attributor, as a protocol: scanning knows neither MLflow nor DeepSAD."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flipad_ops.attribution.testimony import Testimony
from flipad_ops.samples.space import SampleSpace

if TYPE_CHECKING:
    from torch import Tensor

    from flipad_ops.attribution.judgement import Screening
    from flipad_ops.inversion import InversionResult


#: "Version" of an attributor that was read from a folder.
LOCAL = "local"


@dataclass(frozen=True, eq=False)
class ScoreBatch:
    """Scores of a batch of images.

    Parameters
    ----------
    score, p : (n,) float64
        Squared distance to the centre; conformal p-value of "not ours". Low means ours.
    attributed : (n,) bool
        score <= threshold.
    converged : (n,) bool
        Whether the inversion reached its tolerance.
    screened : (n,) bool or None
        Whether the pixels alone settled that the image is foreign, without an inversion.
    residual : (n, channels, height, width) float32 or None
        What the inversion could not explain, when asked for.
    recompressed : (n,) bool or None
        Whether the image was taken for an own one out of a lossy file, by its pixels.
    testimony : tuple of (Testimony or None), of length n, or None
        What the second witness says; None for an image about which it was not asked.
    stages : mapping of name to (images, seconds), or None
        What the scores cost: screen, invert, views, remake.
    """

    score: NDArray[np.float64]
    p: NDArray[np.float64]
    attributed: NDArray[np.bool_]
    converged: NDArray[np.bool_]
    screened: NDArray[np.bool_] | None = None
    residual: NDArray[np.float32] | None = None
    recompressed: NDArray[np.bool_] | None = None
    testimony: tuple[Testimony | None, ...] | None = None
    stages: Mapping[str, tuple[int, float]] | None = None


@dataclass(frozen=True, eq=False)
class AttributorCard:
    """Provenance and calibration of an attributor, for findings and the report.

    Parameters
    ----------
    measured : mapping of "tpr" and each stratum to (value, low, high)
        Held-out rates at the threshold with 95% intervals; false positive rates for strata.
    strata : mapping of stratum to its number of null scores
    own_scores, null_scores : sequences of float
        Calibration scores, for histograms.
    reference : (height, width, channels) uint8 or None
        A held-out own sample to read findings against.
    basis : str
        What every score rests on, if not the usual inversion; a sentence.
    unit : str
        What a sample is called: "image", or "row" of a table.
    remade_own, remade_null : sequences of float
        `Testimony.ratio` of calibration images, own ones and foreign ones by stratum.
    second_witness : str
        What the second witness is, or why it is silent; a sentence.
    origins : mapping of stratum to how many origins its null scores have
        Empty in cards of earlier versions, as is the next.
    held_out : mapping of "tpr" and each stratum to (images, origins) that `measured` rests on
    typical_p : float
        p-value of the median own image by a model of the tail of both witnesses; 0 without one.
    lacking : str
        What was not among the foreign images, sentences; "" if nothing, or not recorded.
    checkpoints : tuple of str
        SHA-256 (hex) of the generator's weights files, as far as the fit knew them.
    """

    attributor_name: str
    attributor_version: str
    attributor_sha256: str
    generator_name: str
    generator_version: str
    final_layer_sha256: str
    decoder_sha256: str
    equivalence_class: tuple[str, ...]
    threshold: float
    target_fnr: float
    n_own_calibration: int
    strata: Mapping[str, int]
    measured: Mapping[str, tuple[float, float, float]]
    own_scores: tuple[float, ...]
    null_scores: Mapping[str, tuple[float, ...]]
    code_version: str
    seed: int
    alpha: float
    solver: str
    tolerance: float
    reference: NDArray[np.uint8] | None = None
    basis: str = ""
    unit: str = "image"
    remade_own: tuple[float, ...] = ()
    remade_null: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    second_witness: str = ""
    origins: Mapping[str, int] = field(default_factory=dict)
    held_out: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lacking: str = ""
    typical_p: float = 0.0
    checkpoints: tuple[str, ...] = ()


class Scorer(Protocol):
    """A loaded attributor."""

    name: str
    version: str
    space: SampleSpace
    threshold: float
    p_floor: float
    card: AttributorCard

    def score(self, pixels: Tensor, residual: bool = False) -> ScoreBatch:
        """Score (n, ...) float32 pixels in [0, 1], as `SampleSpace.to_tensor` makes them."""
        ...


@runtime_checkable
class SharingScorer(Scorer, Protocol):
    """A scorer whose `score` comes in parts, so that inversions can be shared; see `sharing`."""

    #: Scorers of one key invert an image to the same result.
    inversion_key: str

    def screen(self, pixels: Tensor) -> Screening:
        """Which images need an inversion, and the score of the others."""
        ...

    def invert(self, pixels: Tensor) -> InversionResult:
        """Invert (n, *space.shape) float32 pixels in [0, 1], n > 0."""
        ...

    def conclude(
        self, pixels: Tensor, screening: Screening, inverted: InversionResult | None
    ) -> ScoreBatch:
        """Scores from the inversions of the images that `screening` needs; NaN for none."""
        ...


@runtime_checkable
class SiftingScorer(Scorer, Protocol):
    """A scorer that knows at a glance whose score will be dear, if any is."""

    @property
    def sifts(self) -> bool:
        """Whether there is a witness for whom some are dear."""
        ...

    def promising(self, pixels: Tensor) -> NDArray[np.bool_]:
        """Which (n, *space.shape) float32 pixels in [0, 1] will be searched for."""
        ...


@runtime_checkable
class Remaker(Protocol):
    """A scorer that can make an image again from what its testimony records."""

    def show(self, testimony: Testimony) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The remade image, (height, width, channels), as made and as altered.

        Raises
        ------
        FlipadError
            The latent is damaged or was not kept, or the generator is not at hand.
        """
        ...

    def distance(self, pixels: Tensor, testimony: Testimony) -> float:
        """PSNR in dB between (*space.shape) float32 pixels in [0, 1] and the remade image.

        It is made from the recorded latent and altered by the recorded alteration: nothing is
        sought. Raises FlipadError as `show` does.
        """
        ...


@dataclass(frozen=True, eq=False)
class Likeness:
    """The nearest image to a found one that a generator was seen to make; for the eye alone.

    Parameters
    ----------
    pixels : (height, width, channels) uint8
    psnr : float
        dB between it and the found image.
    own : float
        The same of new own images, as made, sought alike: the median.
    """

    pixels: NDArray[np.uint8]
    psnr: float
    own: float


#: Likenesses of (n, *space.shape) float32 pixels in [0, 1]; the second argument is told how many
#: images are done, and of how many. Raises AttributorError.
Illustrate = Callable[["Tensor", Callable[[int, int], None]], list[Likeness]]


def testimonies(batch: ScoreBatch) -> tuple[Testimony | None, ...]:
    """One entry per image, None where the second witness was not asked."""
    return (None,) * len(batch.score) if batch.testimony is None else batch.testimony


def attainable_p(floor: float, card: AttributorCard) -> float:
    """What p-value own images can have: the floor, or by the tail's model the median's."""
    return min(floor, card.typical_p or floor)


def label(scorer: Scorer) -> str:
    """ "name/version", the key of a scorer in rows and outcomes."""
    return f"{scorer.name}/{scorer.version}"


def in_registry(name: str) -> bool:
    """Whether a "name/version" is a registered version, which does not change."""
    return not name.endswith(f"/{LOCAL}")
