"""What a sample is: everything that differs between images, deep images and rows of a table.

To add a kind: a subclass in a file of its own, and its line in `sample_kinds.KINDS`. Decoding
processes import these files, so torch is imported where it is used only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from flipad_ops.samples.decode import DecodedImage, Pixels
from flipad_ops.samples.quantisation import Grid
from flipad_ops.samples.size_rule import SizeRule

if TYPE_CHECKING:
    from torch import Tensor

#: Decoded samples: uint8, uint16 or float32.
Values = NDArray[Any]


class SampleSpace(ABC):
    """The samples of a generator, as files hold them and as numbers in [0, 1]."""

    #: What one is called.
    unit: ClassVar[str] = "image"
    #: Whether samples can be had from files at all.
    decodable: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def stated(cls, metadata: Mapping[str, Any], shape: tuple[int, ...]) -> Self | None:
        """The space, if metadata states this kind for samples of `shape`.

        Raises
        ------
        NotAttributable
            The words are malformed, or do not fit.
        """

    @abstractmethod
    def to_metadata(self) -> dict[str, Any]:
        """What `stated` reads, JSON-ready."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Of a decoded sample's entries."""

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Which values a stored sample can take."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the numbers that a sample consists of; none where it is an encoded image."""
        return ()

    @property
    def remark(self) -> str:
        """What is said of it after its shape."""
        return ""

    @property
    def nbytes(self) -> int:
        """Bytes of one decoded sample."""
        return math.prod(self.shape) * self.dtype.itemsize

    @abstractmethod
    def take(
        self, data: bytes, image: DecodedImage | None, size_rule: SizeRule
    ) -> tuple[Values, str]:
        """One sample out of a file's bytes, or of the image that they decode to.

        Returns
        -------
        array of `shape` and `dtype`
        str
            What its score rests on if not the usual; mostly "".

        Raises
        ------
        ImageError
        """

    def picture(self, image: DecodedImage, size_rule: SizeRule) -> Pixels | None:
        """What a person is shown of it, (height, width, 1 or 3); None without a picture."""
        return None

    @abstractmethod
    def to_tensor(self, values: Values) -> Tensor:
        """Decoded samples (n, *shape) as float32 in [0, 1]."""

    @abstractmethod
    def to_example(self, sample: Tensor) -> dict[str, Any] | None:
        """A sample as one row of a model's input by column; None if it has no such form."""

    def reference(self, sample: Tensor) -> Tensor | None:
        """A sample in 8 bits to be shown beside findings; None without a picture."""
        return None

    @abstractmethod
    def save(self, samples: Tensor, out: Path, stem: str) -> None:
        """Write (n, *shape) in [0, 1] to the file or folder `out`, or raise a UsageError."""

    @abstractmethod
    def describe(self) -> str:
        """For people, in short."""

    @abstractmethod
    def spell_out(self) -> str:
        """For people, with all that is known."""

    @property
    @abstractmethod
    def table_facts(self) -> tuple[str, int, int]:
        """Mode, height and width, as a manifest of samples holds them."""
