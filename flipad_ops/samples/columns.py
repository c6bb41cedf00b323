"""Rows of a table as samples: the columns' names, ranges and decimals; no code.

Metadata: {"columns": [{"name": "alcohol", "low": 11.0, "high": 14.9, "step": 0.01}, ...]}, one
entry for each output in the generator's order. `low` and `high` are the table's values at the ends
of the output range (-1 and 1 for tanh), `step` is the last decimal that the table holds.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from flipad_ops.common.errors import NotAnImage, NotAttributable, UsageError
from flipad_ops.common.untrusted_json import parse
from flipad_ops.samples.decode import DecodedImage
from flipad_ops.samples.quantisation import Grid
from flipad_ops.samples.row import is_row, row_values
from flipad_ops.samples.size_rule import SizeRule
from flipad_ops.samples.space import SampleSpace, Values

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
    low, high : float
        Values that become 0 and 1 in pixel units; beyond them a value counts as the end.
    step : float
        Distance of neighbouring values; 0 for values that are not rounded.
    """

    name: str
    low: float
    high: float
    step: float = 0.0

    def __post_init__(self) -> None:
        if not self.name:
            raise UsageError("A column needs a name.")
        numbers = (self.low, self.high, self.step)
        if not all(math.isfinite(number) for number in numbers) or self.low >= self.high:
            raise UsageError(f"Column {self.name!r} needs finite low < high.")
        if not 0 <= self.step <= self.high - self.low:
            raise UsageError(f"Column {self.name!r}: the step must lie between 0 and its range.")


@dataclass(frozen=True)
class Columns(SampleSpace):
    """Rows with these columns, in the generator's order."""

    columns: tuple[Column, ...]
    unit: ClassVar[str] = "row"

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.fields)) < len(self.columns):
            raise UsageError("A table needs columns, each with a name of its own.")

    def __len__(self) -> int:
        return len(self.columns)

    @classmethod
    def stated(cls, metadata: Mapping[str, Any], shape: tuple[int, ...]) -> Self | None:
        if "columns" not in metadata:
            return None
        try:
            columns = cls.from_list(metadata["columns"])
        except UsageError as error:
            raise NotAttributable(str(error)) from error
        if shape != columns.shape:
            raise NotAttributable(
                f"Metadata names {len(columns)} columns; samples have shape {list(shape)}.",
                remedy="Name one column for each output of the generator, in its order",
            )
        return columns

    def to_metadata(self) -> dict[str, Any]:
        return {"columns": self.to_list()}

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self),)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def grid(self) -> Grid:
        spans = [(column, column.high - column.low) for column in self.columns]
        steps = tuple(column.step / span for column, span in spans)
        return Grid(steps, tuple(column.low / span for column, span in spans))

    def take(
        self, data: bytes, image: DecodedImage | None = None, size_rule: SizeRule = "reject"
    ) -> tuple[Values, str]:
        if not is_row(data):
            raise NotAnImage("No row of a table; this attributor takes nothing else.")
        return self.to_pixels(row_values(data, self.fields)), ""

    def to_tensor(self, values: Values) -> Tensor:
        import torch

        return torch.from_numpy(values)

    def to_example(self, sample: Tensor) -> dict[str, Any] | None:
        return dict(zip(self.fields, self.to_values(sample.numpy()).tolist(), strict=True))

    def save(self, samples: Tensor, out: Path, stem: str) -> None:
        try:
            with out.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(self.fields)
                writer.writerows(self.to_values(samples.numpy()).tolist())
        except OSError as error:
            raise UsageError(f"Cannot write {out}: {error.strerror}.") from error

    def describe(self) -> str:
        return f"rows of {len(self)} columns"

    def spell_out(self) -> str:
        return f"{self.describe()}: {', '.join(self.fields)}"

    @property
    def remark(self) -> str:
        return f", rows: {', '.join(self.fields)}"

    @property
    def table_facts(self) -> tuple[str, int, int]:
        return "row", 1, len(self)

    def to_pixels(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """A table's values (n, columns) to pixel units, float32 within [0, 1]; NaN stays."""
        low = np.array([column.low for column in self.columns])
        high = np.array([column.high for column in self.columns])
        return np.asarray(((values - low) / (high - low)).clip(0.0, 1.0), dtype=np.float32)

    def to_values(self, pixels: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Samples (n, columns) in pixel units to the table's values, rounded to its steps."""
        low = np.array([column.low for column in self.columns])
        high = np.array([column.high for column in self.columns])
        step = np.array([column.step for column in self.columns])
        values = low + (high - low) * pixels.astype(np.float64)
        safe = np.where(step > 0, step, 1.0)
        rounded = np.round(values / safe) * safe
        return np.asarray(np.where(step > 0, rounded, values), dtype=np.float64)

    def to_list(self) -> list[dict[str, Any]]:
        """JSON-ready, as it stands in metadata."""
        return [dict(vars(column)) for column in self.columns]

    @classmethod
    def from_list(cls, entries: Any) -> Self:
        """Read metadata.

        Raises
        ------
        UsageError
            Not a list of objects with name, low and high.
        """
        if not isinstance(entries, (list, tuple)):
            raise UsageError(
                'Metadata "columns" must be a list of {"name", "low", "high", "step"}.'
            )
        return cls(tuple(_column(entry) for entry in entries))


def read_columns(path: Path) -> Columns:
    """Columns from a JSON file.

    Raises
    ------
    UsageError
    """
    try:
        return Columns.from_list(parse(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable JSON file.") from error


def _column(entry: Any) -> Column:
    known = {"name", "low", "high", "step"}
    if not isinstance(entry, Mapping) or not {"name", "low", "high"} <= set(entry) <= known:
        raise UsageError(
            f"A column is stated by name, low, high and step, not {str(entry)[:80]!r}."
        )
    try:
        low, high, step = (float(entry.get(key, 0.0)) for key in ("low", "high", "step"))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Column {entry['name']!r}: low, high and step must be numbers."
        ) from error
    return Column(str(entry["name"]), low, high, step)
