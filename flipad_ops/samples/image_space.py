"""Images of 8 and of 16 bits as samples, and arrays of a shape that no file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from flipad_ops.common.errors import NotAnImage, NotAttributable, UsageError
from flipad_ops.samples.decode import DecodedImage, Pixels
from flipad_ops.samples.quantisation import BITS, Grid
from flipad_ops.samples.size_rule import SizeRule, match_channels, placed, searched
from flipad_ops.samples.space import SampleSpace, Values

if TYPE_CHECKING:
    from torch import Tensor

ROUNDED = "A 16-bit file, rounded to the 8 bits that the attributor was fitted to."


@dataclass(frozen=True)
class Arrays(SampleSpace):
    """Samples of any shape, for the library's own callers.

    Parameters
    ----------
    sides : tuple of int
        Their shape.
    bits : int
    """

    sides: tuple[int, ...]
    bits: int = 8
    decodable: ClassVar[bool] = False

    @classmethod
    def stated(cls, metadata: Mapping[str, Any], shape: tuple[int, ...]) -> Self | None:
        return cls(shape, _bits(metadata))

    def to_metadata(self) -> dict[str, Any]:
        return {} if self.bits == 8 else {"bits": self.bits}

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sides

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def grid(self) -> Grid:
        return BITS[self.bits]

    @property
    def top(self) -> int:
        """The largest stored value."""
        return (1 << self.bits) - 1

    @property
    def remark(self) -> str:
        return "" if self.bits == 8 else f", {self.bits} bit"

    def take(
        self, data: bytes, image: DecodedImage | None, size_rule: SizeRule
    ) -> tuple[Values, str]:
        raise NotAnImage(f"Samples of shape {list(self.shape)} are in no file.")

    def to_tensor(self, values: Values) -> Tensor:
        import torch

        # torch has hardly any operation on uint16.
        known = values if values.dtype == np.uint8 else values.astype(np.int32)
        return torch.from_numpy(known).float() / self.top

    def to_stored(self, samples: Tensor) -> Values:
        """The inverse of `to_tensor`."""
        return (samples * self.top).round().numpy().astype(self.dtype)

    def to_example(self, sample: Tensor) -> dict[str, Any] | None:
        return None

    def reference(self, sample: Tensor) -> Tensor | None:
        import torch

        return (sample * 255).round().to(torch.uint8)

    def save(self, samples: Tensor, out: Path, stem: str) -> None:
        raise UsageError(f"Samples of shape {list(self.shape)} are not images.")

    def describe(self) -> str:
        return "x".join(map(str, self.shape)) + self.remark

    def spell_out(self) -> str:
        return f"{'x'.join(map(str, self.shape))} (channels, height, width), {self.bits} bit"

    @property
    def table_facts(self) -> tuple[str, int, int]:
        return "row", 1, self.shape[0]


@dataclass(frozen=True)
class Images(Arrays):
    """Images of (channels, height, width), 8 bits."""

    decodable: ClassVar[bool] = True

    @classmethod
    def stated(cls, metadata: Mapping[str, Any], shape: tuple[int, ...]) -> Self | None:
        bits = _bits(metadata)
        return cls(shape, bits) if len(shape) == 3 and bits == cls.bits else None

    def take(
        self, data: bytes, image: DecodedImage | None, size_rule: SizeRule
    ) -> tuple[Values, str]:
        if image is None:
            raise NotAnImage("A row of a table; this attributor takes images.")
        rounded = ROUNDED if image.deep is not None and self.bits == 8 else ""
        sized = searched(image.pixels, self.shape, size_rule)
        return self.fit(image, size_rule), " ".join(filter(None, (rounded, sized)))

    def fit(self, image: DecodedImage, size_rule: SizeRule = "reject") -> Values:
        """The image in this shape; raises ImageError."""
        return placed(self.whole(image), self.shape, size_rule)

    def whole(self, image: DecodedImage) -> Values:
        """(height, width, channels) of an image of any size; raises ImageError."""
        return match_channels(image.pixels, self.shape[0])

    def picture(self, image: DecodedImage, size_rule: SizeRule) -> Pixels | None:
        eight = match_channels(image.pixels, self.shape[0])
        return placed(eight, self.shape, size_rule).transpose(1, 2, 0)

    def to_example(self, sample: Tensor) -> dict[str, Any] | None:
        from flipad_ops.samples.png import encode_png

        return {"image": encode_png(sample)} if self.shape[0] in (1, 3) else None

    def save(self, samples: Tensor, out: Path, stem: str) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"Cannot make folder {out}: {error.strerror}.") from error
        for index, image in enumerate(samples):
            self.save_one(image, out / f"{stem}-{index:05d}.png")

    def save_one(self, image: Tensor, path: Path) -> None:
        """Write a PNG file."""
        from flipad_ops.samples.png import save_png

        save_png(image, path)

    def describe(self) -> str:
        channels, height, width = self.shape
        return f"{width}x{height}x{channels}{self.remark}"

    @property
    def table_facts(self) -> tuple[str, int, int]:
        channels, height, width = self.shape
        return {1: "L", 3: "RGB"}.get(channels, str(channels)), height, width


@dataclass(frozen=True)
class DeepImages(Images):
    """The same with 16 bits: greyscale files at full precision, and no others."""

    bits: int = 16

    def whole(self, image: DecodedImage) -> Values:
        """As of `Images`; how a file of 8 bits was rounded is not known to 16-bit samples."""
        if image.deep is None:
            bits = "16-bit colour, of which 8 bits are read" if image.levels > 255 else "8-bit file"
            raise NotAnImage(f"{bits}; the attributor was fitted to 16-bit samples.".capitalize())
        return np.repeat(image.deep, self.shape[0], axis=2)

    def save_one(self, image: Tensor, path: Path) -> None:
        from flipad_ops.samples.png import save_deep_png

        save_deep_png(image, path)


def _bits(metadata: Mapping[str, Any]) -> int:
    bits = metadata.get("bits", 8)
    if bits not in BITS or isinstance(bits, bool):
        raise NotAttributable(f"Metadata states {bits!r} bits; images have 8 or 16.")
    return int(bits)
