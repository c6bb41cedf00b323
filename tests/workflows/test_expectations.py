"""Expectations judged in plain Python, and by great_expectations, which must agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flipad_ops.common.errors import GateFailed
from flipad_ops.workflows.data_docs import write_data_docs
from flipad_ops.workflows.data_quality import require
from flipad_ops.workflows.expectations import KINDS, Expectation, Table, judge

NAN = float("nan")


def case(kind: str, table: Table, success: bool, seen: str, **options: Any) -> Any:
    column = (
        "" if kind in ("table_row_count_to_be_between", "compound_columns_to_be_unique") else "x"
    )
    name = f"{kind}-{'met' if success else 'missed'}-{len(table['x'])}"
    return pytest.param(
        Expectation(f"expect_{kind}", column, options), table, success, seen, id=name
    )


SET, BETWEEN = "column_values_to_be_in_set", "column_values_to_be_between"
LENGTHS = "column_value_lengths_to_be_between"
CASES = [
    case("table_row_count_to_be_between", {"x": [1, 2]}, True, "2", min_value=2),
    case("table_row_count_to_be_between", {"x": [1, 2, 3]}, False, "3", min_value=4),
    case("column_values_to_be_unique", {"x": ["a", "b"]}, True, "0 of 2 not"),
    case("column_values_to_be_unique", {"x": ["a", "b", "a"]}, False, "2 of 3 not"),
    case(SET, {"x": ["RGB", "RGB"]}, True, "0 of 2 not", value_set=["RGB"]),
    case(SET, {"x": ["RGB", "L", "L"]}, False, "2 of 3 not", value_set=["RGB"]),
    case(SET, {"x": [True, False]}, True, "1 of 2 not", value_set=[True], mostly=0.5),
    case(SET, {"x": [True, False, False]}, False, "2 of 3 not", value_set=[True], mostly=0.5),
    case("column_values_to_not_be_null", {"x": [1.0, 2.0]}, True, "0 of 2 not"),
    case("column_values_to_not_be_null", {"x": [1.0, NAN, 2.0]}, False, "1 of 3 not"),
    case(BETWEEN, {"x": [0.5, NAN, 1.0]}, True, "0 of 3 not", min_value=0.0, max_value=1.0),
    case(BETWEEN, {"x": [0.0, 1.0]}, False, "1 of 2 not", min_value=0.0, strict_min=True),
    case("column_value_lengths_to_equal", {"x": ["ab", None]}, True, "0 of 2 not", value=2),
    case("column_value_lengths_to_equal", {"x": ["ab", "abc", ""]}, False, "2 of 3 not", value=2),
    case(LENGTHS, {"x": ["a", "bc"]}, True, "0 of 2 not", min_value=1),
    case(LENGTHS, {"x": ["a", "", "b"]}, False, "1 of 3 not", min_value=1),
    case(
        "column_proportion_of_unique_values_to_be_between",
        {"x": ["a", "a"]}, True, "0.5", min_value=0.5,
    ),
    case(
        "column_proportion_of_unique_values_to_be_between",
        {"x": ["a", "a", "a"]}, False, str(1 / 3), min_value=0.5,
    ),
    case(
        "compound_columns_to_be_unique",
        {"x": ["a", "a"], "y": ["a", "b"]}, True, "0 of 2 not", column_list=["x", "y"],
    ),
    case(
        "compound_columns_to_be_unique",
        {"x": ["a", "a", "b"], "y": ["c", "c", "c"]}, False, "2 of 3 not", column_list=["x", "y"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "table", "success", "seen"), CASES)
def test_what_is_seen(expected: Expectation, table: Table, success: bool, seen: str) -> None:
    (found,) = judge("t", table, [expected])
    assert (found.success, found.seen) == (success, seen)
    assert found.sentence().endswith(f"(seen: {seen})")


def test_every_kind_has_a_case_that_is_met_and_one_that_is_not() -> None:
    seen = {(each.values[0].kind, each.values[2]) for each in CASES}
    assert seen == {(kind, success) for kind in KINDS for success in (True, False)}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "row_count" not in kind])
def test_a_table_of_nothing_meets_it(kind: str) -> None:
    options = {
        "expect_column_values_to_be_in_set": {"value_set": [1]},
        "expect_column_value_lengths_to_equal": {"value": 2},
        "expect_compound_columns_to_be_unique": {"column_list": ["x"]},
    }
    column = "" if "compound" in kind else "x"
    (found,) = judge("t", {"x": []}, [Expectation(kind, column, options.get(kind, {}))])
    assert found.success


@pytest.mark.slow
def test_great_expectations_agrees_and_writes_its_pages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    tables = {f"t{n}": (each.values[1], [each.values[0]]) for n, each in enumerate(CASES)}
    found = write_data_docs(tables, tmp_path)
    ours = [(f"t{n}", each.values[0].kind, each.values[2]) for n, each in enumerate(CASES)]
    assert found == ours
    assert (tmp_path / "index.html").is_file()
    assert not [each for each in caplog.records if each.name.startswith("great_expectations")]
    assert capfd.readouterr() == ("", "")


def test_the_gate_names_what_is_not_met() -> None:
    judged = judge("files", {"x": [1, 1]}, [Expectation("expect_column_values_to_be_unique", "x")])
    with pytest.raises(
        GateFailed, match=r"files.x: column values to be unique \(seen: 2 of 2 not\)"
    ):
        require(judged)
    require([])
