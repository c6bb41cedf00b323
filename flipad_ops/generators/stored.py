"""How samples are stored, by their owner's word: bits of an image, columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flipad_ops.common.errors import NotAttributable, UsageError
from flipad_ops.samples.columns import Columns
from flipad_ops.samples.quantisation import BITS, EIGHT_BIT, Grid


def stored_grid(
    metadata: Mapping[str, Any] | None, sample_shape: tuple[int, ...]
) -> tuple[Grid, Columns | None]:
    """The grid that metadata states, and the table's columns where samples are rows.

    Raises
    ------
    NotAttributable
        The words are malformed, or do not fit samples of this shape.
    """
    stated = metadata or {}
    if "columns" in stated:
        try:
            columns = Columns.from_list(stated["columns"])
        except UsageError as error:
            raise NotAttributable(str(error)) from error
        if sample_shape != (len(columns),):
            raise NotAttributable(
                f"Metadata names {len(columns)} columns; samples have shape {list(sample_shape)}.",
                remedy="Name one column for each output of the generator, in its order",
            )
        return table_grid(columns), columns
    bits = stated.get("bits", 8)
    if bits not in BITS or isinstance(bits, bool):
        raise NotAttributable(f"Metadata states {bits!r} bits; images have 8 or 16.")
    return (BITS[bits] if bits != 8 else EIGHT_BIT), None


def table_grid(columns: Columns) -> Grid:
    """Which values in pixel units a table with these columns holds."""
    spans = [(column, column.high - column.low) for column in columns.columns]
    steps = tuple(column.step / span for column, span in spans)
    return Grid(steps, tuple(column.low / span for column, span in spans))
