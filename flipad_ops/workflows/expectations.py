"""What a table must hold: said once, judged here in plain Python, shown by great_expectations.

Kinds go by great_expectations' names and mean what they mean there: nothing (None, NaN) is left out
of what is asked of values, and a table of nothing meets it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: A column's values by its name; all of one length.
Table = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Expectation:
    """One expectation.

    Parameters
    ----------
    kind : str
        A key of KINDS.
    column : str
        Whose values; "" for the table's rows.
    options : mapping
        As great_expectations takes them.
    """

    kind: str
    column: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """In words."""
        return self.kind.removeprefix("expect_").replace("_", " ")


@dataclass(frozen=True)
class Judged:
    """An expectation of a table and what was seen; `seen` as it is told."""

    table: str
    expected: Expectation
    success: bool
    seen: str

    def sentence(self) -> str:
        """ "files.decode_ok: column values to be in set (seen: 9 of 10 not)"."""
        column = self.expected.column
        about = f"{self.table}.{column}" if column else self.table
        return f"{about}: {self.expected.rule} (seen: {self.seen})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "table": self.table,
            "column": self.expected.column,
            "expectation": self.expected.kind,
            "options": dict(self.expected.options),
            "success": self.success,
            "seen": self.seen,
        }


def judge(name: str, table: Table, expected: Sequence[Expectation]) -> list[Judged]:
    """What a table is, beside what was expected of it."""
    return [Judged(name, each, *KINDS[each.kind](table, each)) for each in expected]


def _rows(table: Table, expected: Expectation) -> tuple[bool, str]:
    count = len(next(iter(table.values()), ()))
    return _within(count, **expected.options), str(count)


def _proportion(table: Table, expected: Expectation) -> tuple[bool, str]:
    values = _given(table[expected.column])
    share = len(set(values)) / len(values) if values else 0.0
    return not values or _within(share, **expected.options), str(share)


def _unique(table: Table, expected: Expectation) -> tuple[bool, str]:
    return _none_of(table, expected, _repeated(_given(table[expected.column])))


def _compound(table: Table, expected: Expectation) -> tuple[bool, str]:
    columns = [table[name] for name in expected.options["column_list"]]
    repeated = _repeated(list(zip(*columns, strict=True)))
    return not repeated, f"{repeated} of {len(columns[0])} not"


def _each(fits: Callable[..., bool]) -> Callable[[Table, Expectation], tuple[bool, str]]:
    def judged(table: Table, expected: Expectation) -> tuple[bool, str]:
        options = {k: v for k, v in expected.options.items() if k != "mostly"}
        values = _given(table[expected.column])
        return _none_of(table, expected, sum(not fits(each, **options) for each in values))

    return judged


def _not_null(table: Table, expected: Expectation) -> tuple[bool, str]:
    values = table[expected.column]
    absent = len(values) - len(_given(values))
    return not absent, f"{absent} of {len(values)} not"


def _none_of(table: Table, expected: Expectation, wrong: int) -> tuple[bool, str]:
    values = table[expected.column]
    given = len(_given(values))
    right = (given - wrong) / given if given else 1.0
    return right >= expected.options.get("mostly", 1.0), f"{wrong} of {len(values)} not"


def _within(
    value: float,
    min_value: float = -math.inf,
    max_value: float = math.inf,
    strict_min: bool = False,
) -> bool:
    return (value > min_value if strict_min else value >= min_value) and value <= max_value


def _given(values: Sequence[Any]) -> list[Any]:
    return [each for each in values if each is not None and each == each]  # NaN is not itself


def _repeated(values: Sequence[Any]) -> int:
    """Values that are there more than once, every one of them counted."""
    return sum(count for count in Counter(values).values() if count > 1)


KINDS: Mapping[str, Callable[[Table, Expectation], tuple[bool, str]]] = {
    "expect_table_row_count_to_be_between": _rows,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _compound,
    "expect_column_proportion_of_unique_values_to_be_between": _proportion,
    "expect_column_values_to_be_in_set": _each(lambda value, value_set: value in value_set),
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_between": _each(_within),
    "expect_column_value_lengths_to_equal": _each(lambda text, value: len(text) == value),
    "expect_column_value_lengths_to_be_between": _each(
        lambda text, **limits: _within(len(text), **limits)
    ),
}
