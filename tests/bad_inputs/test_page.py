"""The page of bad inputs is that of the tests."""

from __future__ import annotations

from tests.bad_inputs.page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
